"""The best few policies of any pool, for every welfare function, under floors and costs."""
