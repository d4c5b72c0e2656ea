from __future__ import annotations

import numpy as np
import pytest

from portraitbench.core.errors import ConfigError
from portraitbench.methods.pocket.training.augment import MIRROR, augmented, draw_batch, non_faces
from portraitbench.methods.pocket.training.dataset import HELD_OUT, SetConfig, load_set, render_set
from portraitbench.methods.pocket.training.expressions import driving_code, valence_arousal

SMALL = SetConfig(people=3, first=HELD_OUT, frames=3, varied=1, size=48)
ARRAYS = ("frames", "landmarks", "weights", "pose", "code", "emotion")


class KilledError(Exception):
    pass


def kill_after(count):
    def on_person(done):
        if done == count:
            raise KilledError

    return on_person


@pytest.fixture(scope="module")
def whole(kit, tmp_path_factory):
    return render_set(tmp_path_factory.mktemp("set") / "whole", SMALL, kit)


def test_a_set_that_was_cut_short_goes_on_to_the_same_result(whole, kit, tmp_path):
    with pytest.raises(KilledError):
        render_set(tmp_path / "set", SMALL, kit, on_person=kill_after(1))
    with pytest.raises(ConfigError, match="1 of 3 people"):
        load_set(tmp_path / "set")
    resumed = render_set(tmp_path / "set", SMALL, kit)
    for name in ARRAYS:
        assert np.array_equal(getattr(resumed, name), getattr(whole, name))


def test_finished_people_are_not_rendered_again(kit, tmp_path):
    done = render_set(tmp_path / "set", SMALL, kit)
    marked = np.load(tmp_path / "set" / "frames.npy", mmap_mode="r+")
    marked[0] = 7
    marked.flush()
    assert (render_set(tmp_path / "set", SMALL, kit).frames[0] == 7).all()
    assert done.config == SMALL


def test_other_settings_and_empty_folders_are_refused(kit, tmp_path):
    render_set(tmp_path / "set", SetConfig(people=1, frames=1, varied=0, size=16), kit)
    with pytest.raises(ConfigError, match="other settings"):
        render_set(tmp_path / "set", SetConfig(people=2, frames=1, varied=0, size=16), kit)
    with pytest.raises(ConfigError, match="no set"):
        load_set(tmp_path)


def test_a_person_does_not_depend_on_who_came_before(whole, kit, tmp_path):
    alone = SetConfig(people=1, first=HELD_OUT + 2, frames=3, varied=1, size=48)
    assert np.array_equal(render_set(tmp_path / "one", alone, kit).frames[0], whole.frames[2])


def test_truths_belong_to_the_weights(whole, kit):
    assert whole.code == pytest.approx(driving_code(np.array(whole.weights), kit))
    assert whole.emotion == pytest.approx(valence_arousal(np.array(whole.weights), kit))
    # The first two pictures share a scene, the last has its own: corners show the background.
    corners = np.array(whole.frames[:, :, :2, :2], int).mean(axis=(2, 3))
    assert np.abs(corners[:, 0] - corners[:, 1]).max() < 6
    assert np.abs(corners[:, 0] - corners[:, 2]).max() > 12


def test_without_jitter_the_crop_stays(kit, tmp_path):
    still = SetConfig(people=1, frames=3, varied=0, size=16, jitter=0.0)
    assert (np.array(render_set(tmp_path / "set", still, kit).pose)[..., 3:] == [0, 0, 1]).all()


def test_mirrored_landmarks_are_an_involution_over_all_points():
    assert np.array_equal(np.sort(MIRROR), np.arange(68))
    assert np.array_equal(MIRROR[MIRROR], np.arange(68))


def test_landmarks_move_with_the_augmented_picture():
    """A lone bright blob at one landmark is found, after the augmentation, where that landmark went."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    size, blob = 128, 30  # the nose tip is its own mirror image
    y, x = np.mgrid[0:size, 0:size]

    class Blobs:
        frames = np.zeros((6, 1, size, size, 3), np.uint8)
        landmarks = np.random.default_rng(0).uniform(50, 78, (6, 1, 68, 2)).astype(np.float32)
        emotion = np.zeros((6, 1, 2), np.float32)
        code = np.zeros((6, 1, 5), np.float32)
        pose = np.zeros((6, 1, 6), np.float32)

    for row in range(6):
        at = Blobs.landmarks[row, 0, blob]
        Blobs.frames[row, 0] = (250 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 18))[..., None]
    Blobs.landmarks[:, 0, [36, 45]] = [[50, 64], [78, 64]]  # the eyes' outer corners, level
    batch = augmented(draw_batch(Blobs, np.arange(6), torch.zeros(6, dtype=torch.long)))
    light = ((batch.frames.mean(dim=1) + 1) / 2 - 0.15).clamp(min=0).numpy()
    for own, marks in zip(light, batch.landmarks.numpy(), strict=True):
        centre = np.array([(own * x).sum(), (own * y).sum()]) / own.sum()
        assert centre == pytest.approx(marks[blob], abs=0.6)
    across = (batch.landmarks[:, 45] - batch.landmarks[:, 36]).numpy()
    assert np.arctan2(across[:, 1], across[:, 0]) == pytest.approx(batch.pose[:, 2].numpy(), abs=1e-4)


def test_non_faces_have_the_same_shape_and_range(whole):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    frames = torch.from_numpy(np.array(whole.frames[:, 0])).permute(0, 3, 1, 2).float() / 127.5 - 1
    made = non_faces(frames.repeat(8, 1, 1, 1))
    assert made.shape == (24, 3, 48, 48)
    assert float(made.abs().max()) < 1.2
    assert not torch.equal(made, frames.repeat(8, 1, 1, 1))
