"""Pictures and pages about runs, made from run folders only. The extra ``report`` is needed.

All code that needs matplotlib and jinja2 is in here. It is imported when a report is asked for. So
a missing package gives an error at once.
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
