#!/usr/bin/env python3
"""Held-out models: variants of the golden checkpoints, against transformers.

    python3 tests/oracle/variants.py PARE GOLDEN WORK [FOLDER ...]

For each folder of GOLDEN/models tiny random models of the same class are made with other sizes
and options, saved under WORK in turn as BF16, F16 and F32, whole and in shards, with rotary
settings in the present and the old spelling, run by transformers in F32 and by `pare logits` on the
checkpoint and on its conversion. A line each: ok, refused (pare says why), or BAD. Needs
torch, transformers, safetensors; run by hand, not by `make test`.
"""
import json, os, shutil, struct, subprocess, sys, warnings

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)
pare, golden, work = sys.argv[1:4]
models = os.path.join(golden, "models")
manifest = {m["name"]: m for m in json.load(open(os.path.join(models, "manifest.json")))["models"]}
only = sys.argv[4:] or sorted(manifest)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "chat_template.jinja",
             "special_tokens_map.json")


def flips(config):
    """Booleans worth turning round, one variant each."""
    names = ("tie_word_embeddings", "attention_bias", "mlp_bias", "use_bias", "use_qkv_bias",
             "norm_topk_prob", "use_qk_norm", "qk_layernorm", "use_parallel_residual",
             "parallel_attn", "new_decoder_architecture", "alibi", "multi_query", "bias",
             "use_conv_bias", "conv_bias", "mamba_conv_bias", "mamba_proj_bias", "projectors_bias",
             "attention_out_bias", "use_cache_off", "no_bias", "scale_attn_by_inverse_layer_idx",
             "apply_residual_connection_post_layernorm", "use_sliding_window", "add_bias_linear")
    for n in names:
        if isinstance(getattr(config, n, None), bool):
            yield "flip-" + n, {n: not getattr(config, n)}


def wider(config):
    """Other sizes that still fit together."""
    new = {}
    heads = getattr(config, "num_attention_heads", None)
    kv = getattr(config, "num_key_value_heads", None)
    hidden = getattr(config, "hidden_size", None)
    if not heads or not hidden or config.model_type in ("mamba", "mamba2", "falcon_mamba"):
        return {"hidden_size": 96} if config.model_type == "mamba" else {}
    ratio = hidden // heads
    new["num_attention_heads"] = heads * 2
    new["hidden_size"] = ratio * heads * 2
    if kv and kv != heads:
        new["num_key_value_heads"] = kv * 2
    elif kv:
        new["num_key_value_heads"] = heads * 2
    for key in ("intermediate_size", "ffn_dim", "n_inner"):
        v = getattr(config, key, None)
        if isinstance(v, int) and v:
            new[key] = v + 32
    return new


def variants(config):
    yield "same", {}
    w = wider(config)
    if w:
        yield "wider", w
    if isinstance(getattr(config, "vocab_size", None), int):
        yield "vocab", {"vocab_size": config.vocab_size + 37}
    kv = getattr(config, "num_key_value_heads", None)
    if isinstance(kv, int) and kv > 1:
        yield "mqa", {"num_key_value_heads": 1}
    if isinstance(getattr(config, "num_experts_per_tok", None), int):
        yield "topk", {"num_experts_per_tok": config.num_experts_per_tok + 1}
    for key in ("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act"):
        if isinstance(getattr(config, key, None), str):
            for act in ("gelu", "silu", "relu2"):
                if getattr(config, key) != act:
                    yield "act-" + act, {key: act}
    rope = getattr(config, "rope_parameters", None)
    if isinstance(rope, dict) and "rope_type" in rope:
        theta = rope.get("rope_theta", 10000.0)
        part = {k: v for k, v in rope.items() if k == "partial_rotary_factor"}
        yield "theta", {"rope_parameters": dict(rope, rope_theta=theta * 3 + 1)}
        if rope["rope_type"] == "default":
            base = dict(part, rope_theta=theta)
            yield "linear", {"rope_parameters": dict(base, rope_type="linear", factor=2.5)}
            yield "yarn", {"rope_parameters": dict(base, rope_type="yarn", factor=4.0,
                                                   original_max_position_embeddings=64)}
            yield "llama3", {"rope_parameters": dict(
                base, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=64)}
        if "partial_rotary_factor" in rope:
            yield "partial", {"rope_parameters": dict(
                rope, partial_rotary_factor=1.0 if rope["partial_rotary_factor"] < 1 else 0.5)}
    for key in ("sliding_window",):
        if isinstance(getattr(config, key, None), int):
            yield "window", {key: 23}
    for name, new in flips(config):
        yield name, new
    try:
        yield from sizes(config)
    except Exception:  # keys that cannot be read for the model as a whole
        pass
    yield "defaults", {}


def spell(at, name, old):
    """config.json of other times and tastes."""
    path = os.path.join(at, "config.json")
    with open(path) as f:
        config = json.load(f)
    if name == "defaults":  # nothing that the class says itself
        said = type(AutoConfig.from_pretrained(at))().to_dict()
        config = {k: v for k, v in config.items()
                  if k in ("architectures", "model_type", "vocab_size") or said.get(k, at) != v}
    rope = config.get("rope_parameters")
    if old and isinstance(rope, dict) and "rope_theta" in rope:
        rope = dict(config.pop("rope_parameters"))
        config["rope_theta"] = rope.pop("rope_theta")
        if "partial_rotary_factor" in rope:
            config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
        kind = rope.pop("rope_type", "default")
        config["rope_scaling"] = None if kind == "default" else dict(rope, type=kind)
    with open(path, "w") as f:
        json.dump(config, f)


def number(config, key):
    try:
        v = getattr(config, key, None)
    except Exception:  # differs by layer
        return None
    return v if isinstance(v, int) and not isinstance(v, bool) else None


def layers(config, n):
    """Fewer or more layers, with the lists that have an entry for each."""
    new = {"num_hidden_layers": n}
    for key in ("layer_types", "mlp_layer_types", "no_rope_layers", "layers_block_type",
                "layer_rope_theta"):
        v = config.to_dict().get(key)
        if isinstance(v, (list, tuple)) and len(v) == config.num_hidden_layers:
            new[key] = (list(v) * n)[:n]
    return new


def sizes(config):
    """Numbers that stand alone, one variant each."""
    if number(config, "num_hidden_layers"):
        yield "layers1", layers(config, 1)
        yield "layers7", layers(config, 7)
    kinds = config.to_dict().get("layer_types")
    if isinstance(kinds, (list, tuple)) and len(set(kinds)) > 1:
        yield "reversed", {"layer_types": list(kinds)[::-1]}
    heads, width = number(config, "num_attention_heads"), number(config, "head_dim")
    if heads and width:
        yield "heads3", {"num_attention_heads": 3, "num_key_value_heads": 1}
        yield "headdim", {"head_dim": 2 * width}
    for key in ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"):
        if number(config, key):
            used = "moe_k" if hasattr(config, "moe_k") else "num_experts_per_tok"
            groups = {"n_group": 1, "topk_group": 1} if number(config, "n_group") else {}
            yield "experts1", {key: 1, used: 1, **groups}
            yield "experts3", {key: 3, used: 3, **groups}
            yield "experts16", {key: 16, used: 1}
            break
    for key, values in (("n_shared_experts", (0, 2)), ("moe_num_shared_experts", (0, 2)),
                        ("first_k_dense_replace", (0, 2)), ("num_dense_layers", (0, 2)),
                        ("n_groups", (1, 2)), ("mamba_n_groups", (1, 2)), ("conv_kernel", (3,)),
                        ("mamba_d_conv", (3,)), ("conv_L_cache", (4,)), ("state_size", (24,)),
                        ("linear_conv_kernel_dim", (3,)), ("mamba_d_state", (24,)),
                        ("ssm_state_size", (24,))):
        for v in values:
            if number(config, key) not in (None, v):
                yield "%s-%d" % (key, v), {key: v}
    for key in ("logit_scale", "logits_scaling", "clip_qkv", "attn_logit_softcapping",
                "final_logit_softcapping", "embedding_multiplier", "residual_multiplier",
                "attention_multiplier", "routed_scaling_factor"):
        if isinstance(getattr(config, key, None), float):
            yield key, {key: getattr(config, key) * 1.5}


def randomize(model, seed):
    gen = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        with torch.no_grad():
            if p.dim() >= 2:
                p.copy_(torch.randn(p.shape, generator=gen) * (1.5 / p.shape[-1] ** 0.5))
            elif "norm" in name or "ln" in name:
                p.add_(torch.randn(p.shape, generator=gen) * 0.1)
            elif "A_log" in name or name.endswith(".D"):
                p.add_(torch.randn(p.shape, generator=gen) * 0.1)
            else:
                p.copy_(torch.randn(p.shape, generator=gen) * 0.1)


def make(folder, name, new, at, turn):
    config = AutoConfig.from_pretrained(os.path.join(models, folder))
    if new:
        d = config.to_dict()
        d.update(new)
        d.pop("transformers_version", None)
        if "layer_types" in d and "num_hidden_layers" in new and "layer_types" not in new:
            d.pop("layer_types")
        config = type(config).from_dict(d)
    config._attn_implementation = "eager"
    if getattr(config, "quantization_config", None):
        del config.quantization_config
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    randomize(model, 7)
    model.tie_weights()
    shutil.rmtree(at, ignore_errors=True)
    model = model.to((torch.bfloat16, torch.float16, torch.float32)[turn % 3])
    model.save_pretrained(at, **({"max_shard_size": "60KB"} if turn % 2 else {}))
    spell(at, name, turn // 2 % 2)
    for f in TOKENIZER:
        src = os.path.join(models, folder, f)
        if os.path.exists(src):
            shutil.copy(src, at)
    del model
    return AutoModelForCausalLM.from_pretrained(at, attn_implementation="eager",
                                                dtype=torch.float32).eval()


def run_pare(model, ids, out, n_vocab, extra=()):
    r = subprocess.run([pare, "logits", model, "--ids", ids, out, *extra], capture_output=True,
                       text=True)
    if r.returncode:
        return None, r.stderr.strip().splitlines()[-1] if r.stderr.strip() else str(r.returncode)
    n = os.path.getsize(out) // 4
    return torch.tensor(struct.unpack("<%df" % n, open(out, "rb").read())).view(-1, n_vocab), ""


def judge(folder, name, new, turn):
    at = os.path.join(work, folder, name)
    ids = [[(i * 37 + i * i * 11 + 5) % 300 for i in range(70)], [3, 5, 8, 250]]
    try:
        model = make(folder, name, new, at, turn)
        with torch.no_grad():
            want = torch.cat([model(torch.tensor([s])).logits[0].float() for s in ids])
    except Exception as e:  # transformers itself does not like the variant
        return "skip", str(e).splitlines()[0][:90]
    if not torch.isfinite(want).all():
        return "skip", "logits are not finite"
    path = os.path.join(work, "ids.json")
    json.dump({"sequences": ids}, open(path, "w"))
    pre = manifest[folder]["pre_tokenizer_override"]
    extra = ["--pre-tokenizer", pre] if pre else []
    worst = 0.0
    gguf = at + ".gguf"
    c = subprocess.run([pare, "convert", at, gguf, "--type", "f32", *extra], capture_output=True,
                       text=True)
    if c.returncode:
        why = c.stderr.strip().splitlines()[-1] if c.stderr.strip() else str(c.returncode)
        return ("refused" if c.returncode == 1 else "BAD"), why.replace(at, "")[-150:]
    for what, m in (("checkpoint", at), ("gguf", gguf)):
        got, why = run_pare(m, path, os.path.join(work, "out.bin"), want.shape[1],
                            extra if m == at else [])
        if got is None:
            return "BAD", what + ": " + why[-140:]
        if got.shape != want.shape:
            return "BAD", "%s: %s logits, expected %s" % (what, tuple(got.shape), tuple(want.shape))
        err = ((got - want).abs().max() / want.std()).item()
        worst = max(worst, err)
        # a file from F16 has the reference converter's arithmetic in F16 (w + 1, exp, multipliers)
        if not err < (1e-3 if what == "checkpoint" or turn % 3 != 1 else float("inf")):
            return "BAD", "%s: %.3g of a standard deviation" % (what, err)
    shutil.rmtree(at, ignore_errors=True)
    os.unlink(gguf)
    return "ok", "%.2g" % worst


def main():
    os.makedirs(work, exist_ok=True)
    tally = {}
    for folder in only:
        try:
            config = AutoConfig.from_pretrained(os.path.join(models, folder))
        except Exception as e:
            print("skip    %s: %s" % (folder, str(e).splitlines()[0][:90]))
            continue
        for turn, (name, new) in enumerate(variants(config)):
            verdict, why = judge(folder, name, new, turn)
            tally[verdict] = tally.get(verdict, 0) + 1
            print("%-7s %s %s: %s" % (verdict, folder, name, why), flush=True)
    print(tally)
    return 1 if tally.get("BAD") else 0


sys.exit(main())
