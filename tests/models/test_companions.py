"""What files beside the weights state, in the forms that libraries write, and malformed."""

import json

import pytest

from harness.core.errors import ClaimsError
from harness.models.companions import Statement, registered, statements_beside


def stated(tmp_path, name, table):
    (tmp_path / name).write_text(json.dumps(table) if isinstance(table, dict) else table, encoding="utf-8")
    (found,) = statements_beside(tmp_path / "model.safetensors")
    return {key: value for key, value in vars(found).items() if value is not None and key != "where"}


def test_nothing_beside_states_nothing(tmp_path):
    assert statements_beside(tmp_path / "model.safetensors") == []


def test_what_transformers_writes(tmp_path):
    from transformers import ConvNextImageProcessor, ViTConfig, ViTImageProcessor

    ViTConfig(num_attention_heads=3, hidden_size=48, image_size=96, id2label={0: "b", 1: "a"}).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 96, "width": 96}, resample=3, image_mean=[0.1, 0.2, 0.3]).save_pretrained(
        tmp_path
    )
    config, preprocessor = statements_beside(tmp_path / "model.safetensors")
    assert config == Statement("config.json", heads=3, resolution=96, channels=3, class_names=("b", "a"))
    assert preprocessor == Statement(
        "preprocessor_config.json",
        resolution=96,
        mean=(0.1, 0.2, 0.3),
        std=(0.5, 0.5, 0.5),
        interpolation="bicubic",
        resize="square",
    )
    ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875).save_pretrained(tmp_path)
    found = statements_beside(tmp_path / "model.safetensors")[1]
    assert (found.resolution, found.resize, found.crop_share) == (224, "short side", 0.875)
    ConvNextImageProcessor(size={"shortest_edge": 384}).save_pretrained(tmp_path)
    found = statements_beside(tmp_path / "model.safetensors")[1]
    assert (found.resolution, found.resize, found.crop_share) == (384, "square", None)


def test_placeholders_name_no_class(tmp_path):
    assert "class_names" not in stated(tmp_path, "config.json", {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
    many = {str(n): f"c{n}" for n in (10, *range(10))}
    assert stated(tmp_path, "config.json", {"id2label": many})["class_names"] == tuple(f"c{n}" for n in range(11))


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ({"size": 224}, {"resize": "square", "resolution": 224}),
        ({"size": 256, "crop_size": 224, "do_center_crop": True}, {"resize": "short side", "resolution": 224}),
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}},
            {"resize": "short side", "crop_share": 0.875},
        ),
        ({"do_normalize": False, "image_mean": [0.5] * 3}, {"mean": (0, 0, 0), "std": (1, 1, 1)}),
        ({"do_resize": False, "size": 224, "resample": 2}, {"mean": None, "interpolation": None, "resolution": None}),
        ({"resample": 2, "rescale_factor": 0.00392156862745098}, {"interpolation": "bilinear"}),
    ],
)
def test_forms_of_a_preprocessor(tmp_path, table, values):
    found = stated(tmp_path, "preprocessor_config.json", table)
    assert {key: found.get(key) for key in values} == values


def test_what_timm_writes_for_the_hub(tmp_path):
    import timm
    from timm.models._hub import save_config_for_hf

    model = timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=64)
    save_config_for_hf(model, str(tmp_path / "config.json"), {"label_names": ["b", "a", "c"]})
    (found,) = statements_beside(tmp_path / "model.safetensors")
    assert (found.resolution, found.usual_resolution, found.classes) == (64, 64, 3)
    assert (found.mean, found.std, found.interpolation) == ((0.5,) * 3, (0.5,) * 3, "bicubic")
    assert (found.resize, found.crop_share, found.timm) == ("short side", 0.9, "vit_tiny_patch16_224")
    assert found.class_names == ("b", "a", "c")


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("config.json", "{", "expected JSON, found"),
        ("config.json", "[1]", "expected a JSON object, found a list"),
        ("config.json", {"num_attention_heads": "12"}, "num_attention_heads: expected a positive integer, found '12'"),
        ("config.json", {"num_attention_heads": True}, "expected a positive integer, found True"),
        ("config.json", {"image_size": [224, 196]}, "image_size: expected a square input, found 224 x 196"),
        ("config.json", {"id2label": ["a"]}, "id2label: expected a table of labels by number"),
        ("config.json", {"id2label": {"0": "a", "2": "b"}}, "id2label: expected the numbers 0 to 1, found [0, 2]"),
        ("config.json", {"id2label": {"a": "b"}}, "id2label: expected numbers as keys, found 'a'"),
        ("config.json", {"pretrained_cfg": {"mean": [0.5, 0.5]}}, "mean: expected three numbers from 0 to 1"),
        ("config.json", {"pretrained_cfg": {"crop_mode": "border"}}, 'crop_mode: expected "center" or "squash"'),
        ("config.json", {"pretrained_cfg": [1]}, "pretrained_cfg and model_args: expected tables, found [1]"),
        ("config.json", {"pretrained_cfg": {}, "label_names": "abc"}, "label_names: expected a list of names"),
        ("preprocessor_config.json", {"image_mean": [123, 117, 104]}, "image_mean: expected three numbers from 0 to 1"),
        ("preprocessor_config.json", {"image_std": [0, 1, 1]}, "image_std: expected three numbers"),
        ("preprocessor_config.json", {"resample": 1}, "expected bilinear (2) or bicubic (3), found 'lanczos'"),
        ("preprocessor_config.json", {"rescale_factor": 0.5}, "rescale_factor: expected levels scaled by 1/255"),
        ("preprocessor_config.json", {"size": {"shortest_edge": 256}}, "crop_size: expected a centre crop"),
    ],
)
def test_a_malformed_file_is_one_line_that_names_it(tmp_path, name, table, words):
    with pytest.raises(ClaimsError) as raised:
        stated(tmp_path, name, table)
    assert words in str(raised.value)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(raised.value)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    assert stated(tmp_path, "config.json", '\ufeff{"num_attention_heads": 12}') == {"heads": 12}


def test_the_registry_names_imagenets_classes_by_synset_for_its_own_weights_only():
    assert registered("resnet18.a1_in1k").class_names[:2] == ("n01440764", "n01443537")
    assert registered("resnet18").class_names is None
    assert registered("no_such_model") is None
    assert registered("vit_small_patch14_dinov2.lvd142m").classes is None  # it has no head
