"""Users from tables (a CSV or Parquet file or a DataFrame, one row a user), and arrays from files.

:func:`read_table` reads a table and keeps every column unchanged. :func:`read_users` says which
columns hold numbers, and checks them.
"""

from handful.users.arrays import read_arrays
from handful.users.columns import Column, Users, check_kept, find_column, read_names, read_users
from handful.users.files import read_table
from handful.users.names import user_attributes, user_names
from handful.users.table import MAX_USERS, UserTable

__all__ = [
    "MAX_USERS",
    "Column",
    "UserTable",
    "Users",
    "check_kept",
    "find_column",
    "read_arrays",
    "read_names",
    "read_table",
    "read_users",
    "user_attributes",
    "user_names",
]
