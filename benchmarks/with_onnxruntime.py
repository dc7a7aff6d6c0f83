"""Run one LSTM or GRU operator in onnxruntime, with the weights of seqcast.

The order of gates in ONNX is i, o, f, c and z, r, h; in PyTorch and seqcast it is i, f, g, o and r, z, n.
"""

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

GATE_ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
ATTRIBUTES = {"lstm": {}, "gru": {"linear_before_reset": 1}}


def session(cell: str, weights: dict[str, np.ndarray], n_threads: int) -> onnxruntime.InferenceSession:
    """Return a session that maps X (steps, batch, inputs) to Y (steps, 1, batch, hidden).

    With ``head_weight`` in the weights, the result is the output of the head for the last state, (batch, 1).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    model = _model(cell, weights).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _model(cell: str, weights: dict[str, np.ndarray]) -> ModelProto:
    hidden, inputs = weights["weight_hh_l0"].shape[1], weights["weight_ih_l0"].shape[1]
    states = ["Y_h", "Y_c"] if cell == "lstm" else ["Y_h"]
    constants = _constants(cell, weights)
    layer = helper.make_node(
        cell.upper(), ["X", "W", "R", "B"], ["Y", *states], hidden_size=hidden, **ATTRIBUTES[cell]
    )
    nodes, outputs = [layer], ["Y", *states]
    if "head_weight" in weights:
        nodes += [
            helper.make_node("Squeeze", ["Y_h", "axis"], ["last"]),
            helper.make_node("Gemm", ["last", "head_weight", "head_bias"], ["y"], transB=1),
        ]
        outputs = ["y"]
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, None, inputs])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def _constants(cell: str, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    def reorder(name):
        gates = np.split(weights[name], len(GATE_ORDER[cell]))
        return np.concatenate([gates[k] for k in GATE_ORDER[cell]])

    constants = {
        "W": reorder("weight_ih_l0")[None],
        "R": reorder("weight_hh_l0")[None],
        "B": np.concatenate([reorder("bias_ih_l0"), reorder("bias_hh_l0")])[None],
    }
    if "head_weight" in weights:
        constants |= {name: weights[name] for name in ("head_weight", "head_bias")}
        constants["axis"] = np.array([0], np.int64)
    return constants
