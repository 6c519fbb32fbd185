from handful.types import part


def test_parts_are_equal_shares_of_the_whole():
    told = []
    for index in range(4):
        watch = part(told.append, index, 4)
        watch(0.5)
        watch(1.0)
    assert told == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
