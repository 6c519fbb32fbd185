"""Films of a run folder, from the folder to the files."""

from dataclasses import replace

import imageio_ffmpeg
import pytest
from PIL import Image

from handful.catalogue import _TASKS
from handful.errors import HandfulError
from handful.render.run import Film, render_run
from tests.render.folders import write_untrained_run

SMALL = {"seconds": 0.5, "size": 160}


@pytest.fixture(scope="module")
def cheetah(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cheetah"
    write_untrained_run(folder, "half-cheetah", users=7)
    return folder


def test_a_gif_a_policy_in_the_runs_own_folder(cheetah):
    files = list(render_run(cheetah, **SMALL))
    assert files == [cheetah / "films" / f"policy-{k}.gif" for k in range(2)]
    with Image.open(files[0]) as film:
        assert film.size == (160, 120)
        assert film.n_frames == 10  # half a second in steps of 0.05
        assert film.info["duration"] == 50
        assert film.info["loop"] == 0  # again and again
        assert len(set(film.convert("RGB").getdata())) > 20
    assert files[0].read_bytes() != files[1].read_bytes()


def test_the_same_run_gives_the_same_film(cheetah, tmp_path):
    one, other = (
        next(render_run(cheetah, [1], out=tmp_path / name, **SMALL)) for name in ("a", "b")
    )
    assert one.read_bytes() == other.read_bytes()


def test_an_mp4_where_it_was_asked_for(cheetah, tmp_path):
    (file,) = render_run(cheetah, [1], out=tmp_path / "out", kind="mp4", **SMALL)
    assert file == tmp_path / "out" / "policy-1.mp4"
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(file))
    assert (frames, seconds) == (10, pytest.approx(0.5))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("policies", "settings", "sentence"),
    [
        ([2], {}, "There is no policy 2: choose from 0 to 1."),
        ([-1], {}, "There is no policy -1"),
        ([], {"size": 100}, "a multiple of 8 from 160 to 1920 pixels, not 100"),
        ([], {"seconds": 0.0}, "more than 0 and at most 600 seconds, not 0"),
        ([], {"seconds": float("nan")}, "not nan"),
    ],
)
def test_what_cannot_be_filmed_is_told(cheetah, tmp_path, policies, settings, sentence):
    with pytest.raises(HandfulError, match=sentence):
        list(render_run(cheetah, policies, out=tmp_path / "films", **settings))
    assert not (tmp_path / "films").exists()


def test_a_run_of_something_else(tmp_path):
    write_untrained_run(tmp_path / "run", "resource-gathering", has_checkpoint=False)
    with pytest.raises(HandfulError, match="are made of ant, half-cheetah, hopper, walker2d only"):
        list(render_run(tmp_path / "run"))


def one_colour(shot):
    """A film of one colour a frame: as red as the policy has users."""
    red = 40 * shot.assignment.tolist().count(shot.policy)
    colours = [(red, 0, 200 * frame) for frame in range(round(shot.seconds * 4))]
    pictures = [Image.new("RGB", (shot.width, shot.height), colour) for colour in colours]
    return Film(pictures, "#FFFFFF", 0.25)


def test_a_task_of_another_package_is_filmed_too(tmp_path, monkeypatch):
    tasks = {**_TASKS, "glide": replace(_TASKS["glide"], film="tests.render.test_run:one_colour")}
    monkeypatch.setattr("handful.catalogue._TASKS", tasks)
    write_untrained_run(tmp_path / "run", "glide", users=6)
    files = list(render_run(tmp_path / "run", **SMALL))
    assert [file.name for file in files] == ["policy-0.gif", "policy-1.gif"]
    with Image.open(files[0]) as film:
        assert (film.size, film.n_frames) == ((160, 120), 2)
        assert film.convert("RGB").getpixel((0, 0)) == (120, 0, 0)  # three users of six
