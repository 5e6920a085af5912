#!/usr/bin/env python3
"""Small checkpoints of every quantized scheme, and what their own libraries decode them to.

    python tests/oracle/coded.py OUT_DIR [--gptqmodel DIR] [--autoawq DIR] [--modelopt DIR]

Writes OUT_DIR/<case>/{config.json, model.safetensors} and OUT_DIR/manifest.json: per logical
tensor its shape, type and the SHA-256 of its values as little-endian F32 (zeros positive), and
the GGUF types that hold it without loss. tests/golden/golden_coded.c walks the manifest.

Oracles, all run in F32 (scales widened first):
  fp8                 transformers' Fp8Dequantize
  gptq                GPTQModel's dequantize_weight, taken out of its source by name
  awq                 AutoAWQ's packing_utils.dequantize_gemm
  compressed-tensors  its compressors pack, its dequantize unpacks
  bitsandbytes        functional.quantize_4bit / dequantize_4bit, int8_vectorwise_dequant (0.50's
                      AVX-512 kernel is wrong where a row is no whole number of blocks but a
                      multiple of 32: its own error is ten times that of its generic code)
  mxfp4               transformers' convert_moe_packed_tensors
  modelopt            NVFP4QTensor.dequantize, taken out of its source by name
A folder that is not given falls back to the same formula written out here; the manifest
says which was used.
"""

import argparse
import ast
import hashlib
import importlib.util
import json
import pathlib
import types

import numpy as np
import torch
from safetensors.torch import save_file

LAYER = "model.layers.0."
cases = []


def rand(*shape, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g) * 0.05


def digest(t):
    a = (t.detach().to(torch.float32) + 0.0).contiguous().numpy()
    return hashlib.sha256(a.tobytes()).hexdigest()


def emit(out, name, config, tensors, want, oracle, exact=()):
    d = out / name
    d.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, d / "model.safetensors")
    (d / "config.json").write_text(json.dumps({"quantization_config": config}) + "\n")
    rows = []
    for k, (v, kind) in want.items():
        first = [float(x) for x in v.flatten()[:4]]
        rows.append({"name": k, "shape": list(v.shape), "type": kind, "sha256": digest(v),
                     "first": first})
    cases.append({"name": name, "oracle": oracle, "exact": list(exact), "tensors": rows})


def from_source(path, names, space):
    """Functions of a file (of any class in it) by name, without importing what it imports."""
    tree = ast.parse(pathlib.Path(path).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            node.decorator_list = []
            node.returns = None
            for a in node.args.args:
                a.annotation = None
            exec(compile(ast.Module([node], []), str(path), "exec"), space)
    return [space[n] for n in names]


# ---- fp8 --------------------------------------------------------------------------------------

def fp8_cases(out):
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize

    op = Fp8Dequantize(None)
    f8 = torch.float8_e4m3fn
    base = LAYER + "mlp.down_proj.weight"

    def one(name, w, scale, config, key="_scale_inv", want=None):
        deq = op._dequantize_one(w, scale, torch.float32) if want is None else want
        emit(out, name, config, {base: w, base + key: scale, LAYER + "mlp.down_proj.input_scale":
             torch.tensor(1.0), LAYER + "norm.weight": rand(8, seed=1).bfloat16()},
             {base: (deq, "F32"), LAYER + "norm.weight": (rand(8, seed=1).bfloat16(), "BF16")},
             "transformers Fp8Dequantize")

    w = rand(64, 96, seed=2)
    one("fp8-tensor", (w / 3e-4).to(f8), torch.tensor(3e-4), {"quant_method": "fp8"})
    one("fp8-e5m2", (w / 3e-4).to(torch.float8_e5m2), torch.tensor(3e-4), {"quant_method": "fp8"})
    s = (w.abs().amax(1, keepdim=True) / 448).bfloat16()
    one("fp8-channel", (w / s).to(f8), s, {"quant_method": "fp8"}, key="_scale")
    w = rand(128, 256, seed=3)
    s = w.reshape(1, 128, 2, 128).abs().amax((1, 3)) / 448
    q = (w.reshape(1, 128, 2, 128) / s[:, None, :, None]).to(f8).reshape(128, 256)
    block = {"quant_method": "fp8", "weight_block_size": [128, 128], "fmt": "e4m3",
             "activation_scheme": "dynamic"}
    one("fp8-block", q, s, block)
    # sizes that are no whole number of blocks: transformers refuses them, DeepSeek's own
    # dequantization and vLLM take the last blocks as narrower ones
    w = rand(80, 80, seed=4)
    small = dict(block, weight_block_size=[64, 32])
    s = rand(2, 3, seed=5).abs() + 1e-3
    full = s.repeat_interleave(64, 0)[:80].repeat_interleave(32, 1)[:, :80]
    q = (w / full).to(f8)
    one("fp8-block-edge", q, s, small, want=q.float() * full)
    # exponents as scales
    s = torch.randint(110, 130, (2, 4), generator=torch.Generator().manual_seed(8),
                      dtype=torch.uint8)
    w = (rand(64, 128, seed=9) * 400).to(f8)
    one("fp8-e8m0", w, s.view(torch.float8_e8m0fnu), dict(block, weight_block_size=[32, 32]))
    # every code
    q = torch.arange(256, dtype=torch.uint8).reshape(2, 128)
    q[q == 127] = 0
    q[q == 255] = 0
    one("fp8-codes", q.view(f8), torch.tensor(0.37), {"quant_method": "fp8"})
    # experts in one tensor, scales per matrix
    e = LAYER + "mlp.experts.gate_up_proj"
    w = rand(3, 64, 64, seed=6)
    s = w.reshape(3, 2, 32, 2, 32).abs().amax((2, 4)) / 448
    q = (w.reshape(3, 2, 32, 2, 32) / s[:, :, None, :, None]).to(f8).reshape(3, 64, 64)
    emit(out, "fp8-experts", dict(block, weight_block_size=[32, 32]), {e: q, e + "_scale_inv": s},
         {e: (op._dequantize_one(q, s, torch.float32), "F32")}, "transformers Fp8Dequantize")


# ---- gptq -------------------------------------------------------------------------------------

def pack_bits(codes, bits):
    """codes [n, m] -> int32 words [n * bits / 32, m]: one dense run of bits down each column."""
    n, m = codes.shape
    words = np.zeros(((n * bits + 31) // 32, m), np.uint64)
    for i in range(n):
        w, shift = divmod(i * bits, 32)
        v = codes[i].astype(np.uint64) << np.uint64(shift)
        words[w] |= v & np.uint64(0xFFFFFFFF)
        if shift + bits > 32:
            words[w + 1] |= v >> np.uint64(32)
    return torch.from_numpy(words.astype(np.uint32).view(np.int32).copy())


def gptq_dequantize(folder, bits, qweight, qzeros, scales, g_idx):
    """qzeros in v2 form, the zero points themselves."""
    if not folder:
        return None
    path = pathlib.Path(folder) / "gptqmodel/nn_modules/qlinear/__init__.py"
    space = {"t": torch, "_torch_right_shift": torch.bitwise_right_shift,
             "_torch_left_shift": torch.bitwise_left_shift}
    deq, codes = from_source(path, ["dequantize_weight", "_dequantize_from_codes"], space)
    if bits == 3:
        wf = torch.tensor([[0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0],
                           [0, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31],
                           [0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0]],
                          dtype=torch.int32).reshape(1, 3, 12)
    else:
        wf = torch.arange(0, 32, bits, dtype=torch.int32).unsqueeze(0)
    self = types.SimpleNamespace(
        planar=False, bits=bits, qweight=qweight, qzeros=qzeros, scales=scales.float(),
        g_idx=g_idx, maxq=2**bits - 1, pack_factor=32 // bits, dequant_dtype=torch.int16,
        in_features=g_idx.numel(), wf_unsqueeze_zero=wf.unsqueeze(0),
        wf_unsqueeze_neg_one=wf.unsqueeze(-1), _init_wf_unsqueeze_buffers=lambda: None)
    self._dequantize_from_codes = lambda *a, **k: codes(self, *a, **k)
    return deq(self).T


def gptq_cases(out, folder):
    base = LAYER + "self_attn.q_proj"

    def one(name, bits, group, sym, act_order=False, v2=False, rows=32, cols=128, index=True,
            exact=()):
        rng = np.random.default_rng(bits * 1000 + group + sym)
        n_groups = 1 if group < 0 else cols // group
        codes = rng.integers(0, 2**bits, (cols, rows))
        zeros = np.full((n_groups, rows), 2**(bits - 1)) if sym else \
            rng.integers(0, 2**bits, (n_groups, rows))
        scales = torch.from_numpy(rng.uniform(1e-4, 5e-3, (n_groups, rows))).half()
        g_idx = torch.arange(cols) // (cols if group < 0 else group)
        if act_order:
            g_idx = g_idx[torch.from_numpy(rng.permutation(cols))]
        g_idx = g_idx.int()
        qweight = pack_bits(codes, bits)
        stored = zeros if v2 else (zeros - 1) % 2**bits
        qzeros = pack_bits(stored.T, bits).T.contiguous()
        right = pack_bits(zeros.T, bits).T.contiguous()
        want = scales[g_idx.long()].float() * torch.from_numpy(
            codes - zeros[g_idx.numpy()]).float()
        want = want.T
        lib = gptq_dequantize(folder, bits, qweight, right, scales, g_idx)
        assert lib is None or torch.equal(lib, want), name
        tensors = {base + ".qweight": qweight, base + ".qzeros": qzeros, base + ".scales": scales}
        if index:
            tensors[base + ".g_idx"] = g_idx
        emit(out, name, {"quant_method": "gptq", "bits": bits, "group_size": group,
             "desc_act": act_order, "sym": sym,
             "checkpoint_format": "gptq_v2" if v2 else "gptq"}, tensors,
             {base + ".weight": (want, "F32")},
             "GPTQModel dequantize_weight" if lib is not None else "formula", exact)

    one("gptq-2bit", 2, 32, True, exact=["Q4_0", "Q5_0", "Q8_0"])
    one("gptq-3bit", 3, 64, True, exact=["Q4_0", "Q5_0", "Q8_0"])
    one("gptq-3bit-asym", 3, 32, False)
    one("gptq-4bit", 4, 32, True, exact=["Q4_0", "Q5_0", "Q8_0", "Q4_1", "Q5_1"])
    one("gptq-4bit-all", 4, -1, True, index=False, exact=["Q4_0", "Q5_0", "Q8_0"])
    one("gptq-4bit-asym", 4, 64, False, exact=["Q5_0", "Q8_0"])
    one("gptq-4bit-act-order", 4, 32, True, act_order=True)
    one("gptq-4bit-v2", 4, 32, False, v2=True, act_order=True)
    one("gptq-8bit", 8, 128, True, exact=["Q8_0"])
    one("gptq-8bit-asym", 8, 32, False)


# ---- awq --------------------------------------------------------------------------------------

def awq_cases(out, folder):
    lib = None
    if folder:
        spec = importlib.util.spec_from_file_location(
            "packing_utils", pathlib.Path(folder) / "awq/utils/packing_utils.py")
        lib = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(lib)
    base = LAYER + "self_attn.k_proj"
    order = [0, 2, 4, 6, 1, 3, 5, 7]

    def pack(codes):
        n, m = codes.shape
        c = codes.reshape(n, m // 8, 8)[:, :, order].astype(np.uint32)
        w = np.zeros((n, m // 8), np.uint32)
        for j in range(8):
            w |= c[:, :, j] << np.uint32(4 * j)
        return torch.from_numpy(w.view(np.int32).copy())

    for name, group, scale_type in (("awq-32", 32, torch.float16), ("awq-64", 64, torch.bfloat16)):
        rng = np.random.default_rng(group)
        cols, rows = 128, 64
        codes = rng.integers(0, 16, (cols, rows))
        zeros = rng.integers(0, 16, (cols // group, rows))
        scales = torch.from_numpy(rng.uniform(1e-4, 5e-3, (cols // group, rows))).to(scale_type)
        want = (torch.from_numpy(codes - zeros.repeat(group, 0)).float() *
                scales.float().repeat_interleave(group, 0)).T
        if lib:
            got = lib.dequantize_gemm(pack(codes), pack(zeros), scales.float(), 4, group).T
            assert torch.equal(got, want), name
        emit(out, name, {"quant_method": "awq", "bits": 4, "group_size": group, "version": "gemm",
             "zero_point": True},
             {base + ".qweight": pack(codes), base + ".qzeros": pack(zeros),
              base + ".scales": scales}, {base + ".weight": (want, "F32")},
             "AutoAWQ dequantize_gemm" if lib else "formula", ["Q5_0", "Q8_0"])


# ---- compressed-tensors -----------------------------------------------------------------------

def compressed_cases(out):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    base = LAYER + "mlp.up_proj"

    def one(name, fmt, args, w=None, index=False, scale_type=torch.bfloat16, exact=(), kind="F32",
            global_scale=False):
        w = rand(32, 128, seed=len(name)) if w is None else w
        args = QuantizationArgs(**args)
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        strategy, size = args.strategy, args.group_size
        if strategy in ("group", "tensor_group"):
            x = w.reshape(w.shape[0], -1, size)
            lo, hi = x.amin(-1), x.amax(-1)
        elif strategy == "channel":
            lo, hi = w.amin(1, keepdim=True), w.amax(1, keepdim=True)
        elif strategy == "block":
            b = args.block_structure
            x = w.reshape(w.shape[0] // b[0], b[0], w.shape[1] // b[1], b[1])
            lo, hi = x.amin((1, 3)), x.amax((1, 3))
        else:
            lo, hi = w.amin().reshape(1), w.amax().reshape(1)
        state = {"weight": w}
        if global_scale:
            g = (448.0 * 6.0 / w.abs().max()).reshape(1)
            scale = (torch.maximum(lo.abs(), hi.abs()) / 6 * g).to(torch.float8_e4m3fn).float()
            state["weight_scale"], state["weight_global_scale"] = scale, g
        elif fmt.startswith("mxfp"):
            top = 6.0 if "fp4" in fmt else 448.0
            scale = torch.maximum(lo.abs(), hi.abs()) / top
            state["weight_scale"] = 2.0 ** torch.ceil(torch.log2(scale))
        else:
            scale, zero = calculate_qparams(lo, hi, args)
            state["weight_scale"] = scale.to(scale_type).float()
            if not args.symmetric:
                state["weight_zero_point"] = zero
        cls = BaseCompressor.get_value_from_registry(fmt)
        packed = cls.compress(dict(state), scheme)
        wide = dict(packed)
        if fmt.startswith("nvfp4"):
            from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
            from compressed_tensors.quantization.lifecycle.forward import dequantize
            m, n = packed["weight_packed"].shape
            want = dequantize(x_q=unpack_fp4_from_uint8(packed["weight_packed"], m, 2 * n).float(),
                              scale=packed["weight_scale"].float(), args=args,
                              global_scale=packed["weight_global_scale"], dtype=torch.float32)
        elif fmt.startswith("mxfp4"):
            from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
            from compressed_tensors.quantization.lifecycle.forward import dequantize
            m, n = packed["weight_packed"].shape
            want = dequantize(x_q=unpack_fp4_from_uint8(packed["weight_packed"], m, 2 * n).float(),
                              scale=2.0 ** (packed["weight_scale"].float() - 127), args=args,
                              dtype=torch.float32)
        else:
            want = cls.decompress(wide, scheme)["weight"].float()
        tensors = {base + "." + k: v for k, v in packed.items()}
        if "weight_scale" in packed and packed["weight_scale"].dtype == torch.float32 and \
                not global_scale:
            tensors[base + ".weight_scale"] = packed["weight_scale"].to(scale_type)
        if index:
            perm = torch.randperm(w.shape[1], generator=torch.Generator().manual_seed(9))
            g_idx = (torch.arange(w.shape[1]) // size)[perm].int()
            # column c of the permuted weight is the column that had its group
            order = torch.argsort(g_idx, stable=True)
            codes = torch.empty(0)
            unpacked = unpack_columns(tensors[base + ".weight_packed"], args.num_bits, w.shape)
            moved = torch.empty_like(unpacked)
            moved[:, order] = unpacked
            tensors[base + ".weight_packed"] = pack_rows(moved, args.num_bits)
            tensors[base + ".weight_g_idx"] = g_idx
            turned = torch.empty_like(want)
            turned[:, order] = want
            want = turned
            del codes
        plain = json.loads(args.model_dump_json())
        emit(out, name, {"quant_method": "compressed-tensors", "format": fmt,
             "quantization_status": "compressed",
             "config_groups": {"group_0": {"targets": ["Linear"], "weights": plain}}},
             tensors, {base + ".weight": (want, kind)}, "compressed_tensors", exact)

    def unpack_columns(words, bits, shape):
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32
        return unpack_from_int32(words, bits, shape)

    def pack_rows(codes, bits):
        from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
        return pack_to_int32(codes, bits)

    i4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}
    one("ct-int4", "pack-quantized", i4, scale_type=torch.float16, exact=["Q4_0", "Q5_0", "Q8_0"])
    one("ct-int4-asym", "pack-quantized", dict(i4, symmetric=False), exact=["Q5_0", "Q8_0"])
    one("ct-int4-index", "pack-quantized", i4, index=True)
    one("ct-int4-channel", "pack-quantized", dict(i4, strategy="channel", group_size=None))
    one("ct-int3", "pack-quantized", dict(i4, num_bits=3), exact=["Q4_0"])
    one("ct-int8-packed", "pack-quantized", dict(i4, num_bits=8), exact=["Q8_0"],
        scale_type=torch.float16)
    i8 = {"num_bits": 8, "type": "int", "strategy": "channel"}
    one("ct-int8", "int-quantized", i8, scale_type=torch.float16, exact=["Q8_0"])
    one("ct-int8-asym", "int-quantized", dict(i8, symmetric=False), scale_type=torch.float32)
    one("ct-int8-tensor", "naive-quantized", dict(i8, strategy="tensor"), scale_type=torch.float32)
    f8 = {"num_bits": 8, "type": "float", "strategy": "channel"}
    one("ct-fp8", "float-quantized", f8)
    one("ct-fp8-tensor", "float-quantized", dict(f8, strategy="tensor"), scale_type=torch.float32)
    one("ct-fp8-block", "float-quantized", dict(f8, strategy="block", block_structure=[32, 64]))
    one("ct-nvfp4", "nvfp4-pack-quantized",
        {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16},
        global_scale=True)
    one("ct-mxfp4", "mxfp4-pack-quantized",
        {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32},
        kind="MXFP4", exact=["MXFP4"])


# ---- bitsandbytes -----------------------------------------------------------------------------

def bnb_cases(out):
    import bitsandbytes.functional as F

    base = LAYER + "self_attn.o_proj"
    config = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    for name, kind, nested, block, dtype in (
            ("bnb-nf4", "nf4", False, 64, torch.float32),
            ("bnb-nf4-nested", "nf4", True, 64, torch.float32),
            ("bnb-nf4-bf16", "nf4", True, 64, torch.bfloat16),
            ("bnb-fp4", "fp4", False, 128, torch.float16)):
        w = rand(96, 72, seed=block).to(dtype)
        q, state = F.quantize_4bit(w, blocksize=block, compress_statistics=nested, quant_type=kind)
        want = F.dequantize_4bit(q, state).float()
        tensors = {base + ".weight": q}
        for k, v in state.as_dict(packed=True).items():
            tensors[base + ".weight." + k] = v
        emit(out, name, config, tensors, {base + ".weight": (want, "F32")},
             "bitsandbytes dequantize_4bit")
    w = rand(64, 96, seed=77)
    scb = w.abs().amax(1)
    q = torch.round(w * 127 / scb[:, None]).to(torch.int8)
    want = F.int8_vectorwise_dequant(q, scb)
    emit(out, "bnb-int8", {"quant_method": "bitsandbytes", "load_in_8bit": True},
         {base + ".weight": q, base + ".SCB": scb,
          base + ".weight_format": torch.tensor(0, dtype=torch.uint8)},
         {base + ".weight": (want, "F32")}, "bitsandbytes int8_vectorwise_dequant")


# ---- mxfp4, nvfp4 -----------------------------------------------------------------------------

def mxfp4_cases(out):
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    base = LAYER + "mlp.experts.gate_up_proj"
    g = torch.Generator().manual_seed(5)
    blocks = torch.randint(0, 256, (3, 24, 3, 16), generator=g, dtype=torch.uint8)
    scales = torch.randint(0, 150, (3, 24, 3), generator=g, dtype=torch.uint8)
    want = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32).transpose(1, 2)
    emit(out, "mxfp4", {"quant_method": "mxfp4"},
         {base + "_blocks": blocks, base + "_scales": scales},
         {base + ".weight": (want, "MXFP4")}, "transformers convert_moe_packed_tensors", ["MXFP4"])


def modelopt_cases(out, folder):
    base = LAYER + "mlp.gate_proj"
    g = torch.Generator().manual_seed(6)
    packed = torch.randint(0, 256, (64, 64), generator=g, dtype=torch.uint8)
    scale = (rand(64, 8, seed=7).abs() * 4000).clamp(2**-9, 448).to(torch.float8_e4m3fn)
    second = torch.tensor(7.3e-4)
    table = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6])

    def formula(second):
        codes = torch.stack([packed & 15, packed >> 4], -1).reshape(64, 8, 16)
        return (table[codes.long()] * (scale.float() * second)[:, :, None]).reshape(64, 128)

    want, oracle = formula(second), "formula"
    if folder:
        path = pathlib.Path(folder) / "modelopt/torch/quantization/qtensor/nvfp4_tensor.py"
        deq, = from_source(path, ["dequantize"], {"torch": torch})
        self = types.SimpleNamespace(
            metadata={"dtype": torch.float32, "shape": torch.Size((64, 128))},
            _quantized_data=packed, get_e2m1_values=lambda device: table)
        lib = deq(self, torch.float32, scale=scale, double_scale=second, block_sizes={-1: 16})
        assert torch.equal(lib, want)
        oracle = "modelopt NVFP4QTensor.dequantize"
    config = {"quant_method": "modelopt", "quant_algo": "NVFP4"}
    emit(out, "modelopt-nvfp4", config, {base + ".weight": packed, base + ".weight_scale": scale,
         base + ".weight_scale_2": second, base + ".input_scale": torch.tensor(0.1)},
         {base + ".weight": (want, "F32")}, oracle)
    emit(out, "modelopt-nvfp4-one", config, {base + ".weight": packed,
         base + ".weight_scale": scale, base + ".weight_scale_2": torch.tensor(1.0)},
         {base + ".weight": (formula(torch.tensor(1.0)), "F32")}, oracle, ["NVFP4"])
    w = rand(64, 96, seed=8)
    q = (w / 2e-4).to(torch.float8_e4m3fn)
    emit(out, "modelopt-fp8", {"quant_method": "modelopt", "quant_algo": "FP8"},
         {base + ".weight": q, base + ".weight_scale": torch.tensor(2e-4),
          base + ".input_scale": torch.tensor(0.1)},
         {base + ".weight": (q.float() * torch.tensor(2e-4), "F32")}, "formula")


# ---- a whole model, for the command line's tests ----------------------------------------------

def llama_case(out):
    """One Llama layer of 32 x 32 matrices, all GPTQ; not in the manifest."""
    rng = np.random.default_rng(42)
    tensors = {}

    def linear(name):
        codes = rng.integers(0, 16, (32, 32))
        tensors[name + ".qweight"] = pack_bits(codes, 4)
        tensors[name + ".qzeros"] = pack_bits(np.full((32, 1), 7), 4).T.contiguous()
        tensors[name + ".scales"] = torch.from_numpy(rng.uniform(1e-2, 5e-2, (1, 32))).half()
        tensors[name + ".g_idx"] = torch.zeros(32, dtype=torch.int32)

    for n in ("q", "k", "v", "o"):
        linear(LAYER + f"self_attn.{n}_proj")
    for n in ("gate", "up", "down"):
        linear(LAYER + f"mlp.{n}_proj")
    for n in ("input_layernorm", "post_attention_layernorm"):
        tensors[LAYER + n + ".weight"] = torch.ones(32).half()
    tensors["model.norm.weight"] = torch.ones(32).half()
    tensors["model.embed_tokens.weight"] = rand(256, 32, seed=3).half()
    d = out / "llama"
    d.mkdir(parents=True, exist_ok=True)
    save_file(tensors, d / "model.safetensors")
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": 32, "num_attention_heads": 4,
              "num_key_value_heads": 4, "intermediate_size": 32, "num_hidden_layers": 1,
              "vocab_size": 256, "tie_word_embeddings": True,
              "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32,
                                      "sym": True, "desc_act": False}}
    (d / "config.json").write_text(json.dumps(config) + "\n")
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in visible]
    letters = [chr(b) for b in visible] + [chr(256 + i) for i in range(len(hidden))]
    tokenizer = {"model": {"type": "BPE", "vocab": {c: i for i, c in enumerate(letters)},
                           "merges": []}, "added_tokens": [],
                 "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                                   "trim_offsets": True, "use_regex": True},
                 "decoder": {"type": "ByteLevel"}}
    (d / "tokenizer.json").write_text(json.dumps(tokenizer) + "\n")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--gptqmodel")
    p.add_argument("--autoawq")
    p.add_argument("--modelopt")
    a = p.parse_args()
    fp8_cases(a.out)
    gptq_cases(a.out, a.gptqmodel)
    awq_cases(a.out, a.autoawq)
    compressed_cases(a.out)
    bnb_cases(a.out)
    mxfp4_cases(a.out)
    modelopt_cases(a.out, a.modelopt)
    llama_case(a.out)
    (a.out / "manifest.json").write_text(json.dumps({"cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
