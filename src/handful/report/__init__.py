"""Pictures and pages about runs. Reads run folders only, and needs the extra ``report``.

Everything that matplotlib and jinja2 are wanted for is in here, so whoever needs a report imports
it when it is asked for, and hears at once what is missing.
"""

from handful._support.installing import install_command
from handful.errors import HandfulError

try:
    import jinja2  # noqa: F401
    import matplotlib as mpl  # noqa: F401
except ImportError:
    raise HandfulError(
        f"A report needs matplotlib and jinja2: {install_command('report')}."
    ) from None
