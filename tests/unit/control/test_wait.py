from itop_bridge.control.wait import wait_for_rest


class Work:
    """So much is left at each look."""

    def __init__(self, *left):
        self.left = list(left)
        self.told = []
        self.slept = 0

    async def count_left(self):
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]

    async def tell(self, done, total):
        self.told.append((done, total))

    async def sleep(self, seconds):
        self.slept += seconds

    async def wait(self, total):
        return await wait_for_rest(self.count_left, total, self.tell, self.sleep)


async def test_it_waits_until_nothing_is_left_and_tells_how_far_it_is():
    work = Work(3, 1, 0)
    assert await work.wait(3) == 0
    assert work.told == [(0, 3), (2, 3), (3, 3)]


async def test_what_is_done_is_not_waited_for():
    work = Work(0)
    assert await work.wait(3) == 0
    assert work.slept == 0


async def test_it_gives_up_where_nothing_moves():
    work = Work(5)
    assert await work.wait(5) == 5
    assert work.slept == 30


async def test_work_that_moves_is_waited_for_however_long():
    work = Work(*range(400, -1, -1))
    assert await work.wait(400) == 0


async def test_more_and_less_again_is_no_progress():
    work = Work(*[2, 3] * 200)
    assert await work.wait(3) >= 2
    assert work.slept <= 31
