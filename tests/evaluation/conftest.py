from tests.training.helpers import quick_compilation  # noqa: F401
