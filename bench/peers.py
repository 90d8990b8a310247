#!/usr/bin/env python3
"""The peers of the benchmark: PyTorch (eager, fused optimizers) and JAX (jit), on the rows of rows.c, by the same protocol.

    peers.py torch|jax --threads N [--peak ROW]

Lines on standard input: list, open ROW, time CONTESTANT SECONDS, close, quit; each answer is a line of JSON. Every step waits for
its result. bench/run starts one such process for each peer and number of threads and lets them take turns with ours.
"""
import json
import resource
import sys
import time

# name: widths, batch, activation, loss, optimizer
NETS = {
    "W1": ((2, 8, 1), 4, "tanh", "bce", "sgd"),
    "W2": ((64, 32, 10), 32, "relu", "ce", "sgd"),
    "W3": ((784, 128, 10), 64, "relu", "ce", "adam"),
    "W4": ((784, 512, 512, 10), 128, "relu", "ce", "adam"),
    "W5": ((64,) * 11, 32, "tanh", "ce", "sgd"),
    "W6": ((2048,) * 4, 1024, "relu", "ce", "sgd"),
}
COMPOSED = ["W7", "W8", "W9"]
SINGLE = ["E1", "E2", "E3.0", "E3.1", "E3.all", "E4", "E5", "E6.fresh", "E6", "E7.row", "E7.col", "E8", "E9"]
PER = {"E9": 1000}
BIG = (4096, 4096)


class Torch:
    """Each row is a function that does a step."""

    def __init__(self, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.version = torch.__version__

    def net(self, widths, batch, activation, loss, optimizer):
        torch = self.torch
        nn = torch.nn
        layers = []
        for i, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
            layers.append(nn.Linear(fan_in, fan_out))
            if i + 2 < len(widths):
                layers.append(nn.ReLU() if activation == "relu" else nn.Tanh())
        net = nn.Sequential(*layers)
        make = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
        update = make(net.parameters(), lr=1e-3, fused=True)
        x = torch.rand(batch, widths[0]) * 2 - 1
        if loss == "bce":
            y, criterion = (torch.arange(batch) % 2).float()[:, None], nn.functional.binary_cross_entropy_with_logits
        else:
            y, criterion = torch.arange(batch) % widths[-1], nn.functional.cross_entropy

        def step():
            update.zero_grad()
            criterion(net(x), y).backward()
            update.step()

        return step

    def composed(self, row):
        torch = self.torch
        nn, functional = torch.nn, torch.nn.functional
        if row == "W7":
            net = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                                nn.Flatten(), nn.Linear(256, 10))
            x, y, forward = torch.rand(64, 1, 28, 28), torch.arange(64) % 10, net
        elif row == "W8":
            lstm, head = nn.LSTM(64, 128), nn.Linear(128, 10)
            net = nn.ModuleList([lstm, head])
            x, y, forward = torch.rand(32, 32, 64), torch.arange(32) % 10, lambda x: head(lstm(x)[0][-1])
        else:
            norm, norm2, qkv, out = nn.LayerNorm(128), nn.LayerNorm(128), nn.Linear(128, 384), nn.Linear(128, 128)
            up, down, head = nn.Linear(128, 512), nn.Linear(512, 128), nn.Linear(128, 256)
            net = nn.ModuleList([norm, norm2, qkv, out, up, down, head])
            x, y = torch.rand(16, 64, 128), torch.arange(16 * 64) % 256

            def forward(x):
                q, k, v = (p.view(16, 64, 4, 32).transpose(1, 2) for p in qkv(norm(x)).split(128, -1))
                mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
                x = x + out(mixed.transpose(1, 2).reshape(16, 64, 128))
                return head(x + down(functional.gelu(up(norm2(x))))).view(-1, 256)

        update = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

        def step():
            update.zero_grad()
            functional.cross_entropy(forward(x), y).backward()
            update.step()

        return step

    def leaf(self, *shape):
        return (self.torch.rand(*shape) * 2 - 1).requires_grad_()

    def expression(self, *shape):
        torch = self.torch
        v = [self.leaf(*shape) for _ in range(5)]
        ones = torch.ones(*shape)
        return lambda: torch.autograd.grad(torch.tanh(v[0] * v[1] + v[2]) * v[3] - torch.exp(-v[4]), v, ones)

    def single(self, row):
        torch = self.torch
        functional, grad = torch.nn.functional, torch.autograd.grad
        if row in ("E1", "E2"):
            return self.expression(*((1000, 1000) if row == "E1" else (64, 64)))
        if row == "E4":
            z, y = self.leaf(1024, 1000), torch.arange(1024) * 7 % 1000
            return lambda: grad(functional.cross_entropy(z, y), z)
        if row == "E5":
            x, gamma, beta, g = self.leaf(4096, 768), self.leaf(768), self.leaf(768), torch.rand(4096, 768)
            return lambda: grad(functional.layer_norm(x, (768,), gamma, beta), (x, gamma, beta), g)
        if row == "E8":
            return self.products()
        if row == "E9":
            return self.scalars()
        x, out = torch.rand(*BIG), torch.empty(*BIG)
        with_row, with_column = torch.rand(4096), torch.rand(4096, 1)
        return {
            "E3.0": lambda: x.sum(0),
            "E3.1": lambda: x.sum(1),
            "E3.all": lambda: x.sum(),
            "E6.fresh": lambda: x.t().contiguous(),
            "E6": lambda: out.copy_(x.t()),
            "E7.row": lambda: torch.add(x, with_row, out=out),
            "E7.col": lambda: torch.add(x, with_column, out=out),
        }[row]

    def products(self):
        torch = self.torch
        x, w, ones = self.leaf(8, 8), (torch.rand(8, 8) * 1.2 - 0.6).requires_grad_(), torch.ones(8, 8)

        def step():
            y = x
            for _ in range(100):
                y = y @ w
            return torch.autograd.grad(y, (x, w), ones)

        return step

    def scalars(self):
        torch = self.torch
        x, a, b = torch.tensor(0.5, requires_grad=True), torch.tensor(0.999), torch.tensor(0.001)

        def step():
            y = x
            for _ in range(500):
                y = y * a + b
            return torch.autograd.grad(y, x)

        return step


class Jax:
    def __init__(self, threads):
        import jax

        self.jax, self.np = jax, jax.numpy
        self.version = jax.__version__
        self.key = jax.random.key(threads)

    def array(self, *shape, scale=1.0):
        self.key, key = self.jax.random.split(self.key)
        return self.jax.random.uniform(key, shape, minval=-scale, maxval=scale)

    def net(self, widths, batch, activation, loss, optimizer):
        jax, np = self.jax, self.np
        act = jax.nn.relu if activation == "relu" else np.tanh
        params = [self.linear(i, o) for i, o in zip(widths, widths[1:])]
        x = self.array(batch, widths[0])
        y = (np.arange(batch) % 2).astype(np.float32)[:, None] if loss == "bce" else np.arange(batch) % widths[-1]

        def cost(params, x, y):
            for w, b in params[:-1]:
                x = act(x @ w + b)
            z = x @ params[-1][0] + params[-1][1]
            if loss == "bce":
                return np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))
            return self.cross_entropy(z, y)

        return self.training(params, cost, x, y, optimizer)

    def linear(self, i, o):
        return self.array(i, o, scale=i**-0.5), self.array(o, scale=i**-0.5)

    def cross_entropy(self, z, y):
        return -self.np.mean(self.np.take_along_axis(self.jax.nn.log_softmax(z), y[:, None], 1))

    def training(self, params, cost, x, y, optimizer="adam"):
        jax, np = self.jax, self.np
        state = [params, jax.tree.map(np.zeros_like, params), jax.tree.map(np.zeros_like, params), np.zeros(())]

        def sgd(params, m, v, t, x, y):
            value, g = jax.value_and_grad(cost)(params, x, y)
            return jax.tree.map(lambda p, g: p - 1e-3 * g, params, g), m, v, t, value

        def adam(params, m, v, t, x, y):
            value, g = jax.value_and_grad(cost)(params, x, y)
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            c, d = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
            params = jax.tree.map(lambda p, m, v: p - 1e-3 * (m * c) / (np.sqrt(v * d) + 1e-8), params, m, v)
            return params, m, v, t, value

        run = jax.jit(sgd if optimizer == "sgd" else adam, donate_argnums=(0, 1, 2))

        def step():
            *state[:], value = run(*state, x, y)
            jax.block_until_ready((state, value))

        return step

    def composed(self, row):
        jax, np = self.jax, self.np
        if row == "W7":
            params = [self.array(5, 5, 1, 8, scale=0.2), self.array(8), self.array(5, 5, 8, 16, scale=0.07), self.array(16),
                      *self.linear(256, 10)]

            def pooled(x, w, b):
                x = jax.lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
                return jax.lax.reduce_window(jax.nn.relu(x + b), -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

            def cost(p, x, y):
                x = pooled(pooled(x, p[0], p[1]), p[2], p[3])
                return self.cross_entropy(x.reshape(64, 256) @ p[4] + p[5], y)

            return self.training(params, cost, self.array(64, 28, 28, 1), np.arange(64) % 10)
        if row == "W8":
            params = [*self.linear(64, 512), self.array(128, 512, scale=0.09), *self.linear(128, 10)]

            def cost(p, x, y):
                def cell(state, xw):
                    h, c = state
                    i, f, g, o = np.split(xw + h @ p[2], 4, -1)
                    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * np.tanh(g)
                    return (jax.nn.sigmoid(o) * np.tanh(c), c), None

                zeros = np.zeros((32, 128))
                (h, _), _ = jax.lax.scan(cell, (zeros, zeros), x @ p[0] + p[1])
                return self.cross_entropy(h @ p[3] + p[4], y)

            return self.training(params, cost, self.array(32, 32, 64), np.arange(32) % 10)
        params = [(np.ones(128), np.zeros(128)), (np.ones(128), np.zeros(128)), self.linear(128, 384), self.linear(128, 128),
                  self.linear(128, 512), self.linear(512, 128), self.linear(128, 256)]
        mask = np.where(np.tril(np.ones((64, 64), bool)), 0.0, -np.inf)

        def norm(x, p):
            centered = x - x.mean(-1, keepdims=True)
            return centered * jax.lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-5) * p[0] + p[1]

        def cost(p, x, y):
            q, k, v = (part.reshape(16, 64, 4, 32).swapaxes(1, 2) for part in np.split(norm(x, p[0]) @ p[2][0] + p[2][1], 3, -1))
            mixed = jax.nn.softmax(q @ k.swapaxes(-1, -2) / 32**0.5 + mask) @ v
            x = x + mixed.swapaxes(1, 2).reshape(16, 64, 128) @ p[3][0] + p[3][1]
            x = x + jax.nn.gelu(norm(x, p[1]) @ p[4][0] + p[4][1], approximate=False) @ p[5][0] + p[5][1]
            return self.cross_entropy((x @ p[6][0] + p[6][1]).reshape(-1, 256), y)

        return self.training(params, cost, self.array(16, 64, 128), np.arange(16 * 64) % 256)

    def single(self, row):
        jax, np = self.jax, self.np

        def waiting(f, *arguments):
            f = jax.jit(f)
            return lambda: jax.block_until_ready(f(*arguments))

        def both(f, *arguments, cotangent=None):
            def run(*arguments):
                y, back = jax.vjp(f, *arguments)
                return y, back(np.ones_like(y) if cotangent is None else cotangent)

            return waiting(run, *arguments)

        if row in ("E1", "E2"):
            shape = (1000, 1000) if row == "E1" else (64, 64)
            return both(lambda a, b, c, d, e: np.tanh(a * b + c) * d - np.exp(-e), *(self.array(*shape) for _ in range(5)))
        if row == "E4":
            y = np.arange(1024) * 7 % 1000
            return both(lambda z: -np.mean(np.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1)), self.array(1024, 1000))
        if row == "E5":

            def norm(x, gamma, beta):
                centered = x - x.mean(-1, keepdims=True)
                return centered * jax.lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta

            cotangent = self.array(4096, 768)

            def run(x, gamma, beta, cotangent):
                y, back = jax.vjp(norm, x, gamma, beta)
                return y, back(cotangent)

            return waiting(run, self.array(4096, 768), self.array(768), self.array(768), cotangent)
        if row == "E8":

            def chain(x, w):
                for _ in range(100):
                    x = x @ w
                return x

            return both(chain, self.array(8, 8), self.array(8, 8, scale=0.6))
        if row in ("E9", "E6"):
            return None  # a compiler folds the chain to almost nothing; outputs cannot be given
        x, with_row, with_column = self.array(*BIG), self.array(4096), self.array(4096, 1)
        return {
            "E3.0": lambda: waiting(lambda x: x.sum(0), x),
            "E3.1": lambda: waiting(lambda x: x.sum(1), x),
            "E3.all": lambda: waiting(lambda x: x.sum(), x),
            "E6.fresh": lambda: waiting(lambda x: x.T.copy(), x),
            "E7.row": lambda: waiting(lambda x, y: x + y, x, with_row),
            "E7.col": lambda: waiting(lambda x, y: x + y, x, with_column),
        }[row]()


def make_step(peer, row):
    if row in NETS:
        return peer.net(*NETS[row])
    if row in COMPOSED:
        return peer.composed(row)
    return peer.single(row) if row in SINGLE else None


def run_for(step, seconds):
    """Over at least one step and about that many seconds: seconds per step by the clock and of the processors, and the steps."""
    processor, begin, spent, count, chunk = time.process_time(), time.perf_counter(), 0.0, 0, 1
    while spent < seconds or count == 0:
        for _ in range(chunk):
            step()
        count += chunk
        spent = time.perf_counter() - begin
        if spent < seconds / 4:
            chunk *= 2
    return spent / count, (time.process_time() - processor) / count, count


def main(name, threads, peak):
    peer = {"torch": Torch, "jax": Jax}[name](threads)
    if peak:
        step = make_step(peer, peak)
        for _ in range(5 if step else 0):
            step()
        print(json.dumps({"row": peak, "peak_kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if step else None}))
        return
    row = step = None
    for line in sys.stdin:
        command, *rest = line.split() or [""]
        answer = {}
        if command == "quit":
            break
        try:
            if command == "list":
                answer = {"rows": [*NETS, *COMPOSED, *SINGLE], "peer": name, "version": peer.version}
            elif command == "open":
                row, step = rest[0], make_step(peer, rest[0])
                if step:
                    step()
                answer = {"row": row, "contestants": [name] if step else []}
            elif command == "time":
                seconds = float(rest[1])
                run_for(step, seconds / 4)
                each, processor, count = run_for(step, seconds)
                per = 1e6 / PER.get(row, 1)
                answer = {"us": per * each, "cpu_us": per * processor, "repetitions": count}
            elif command == "close":
                row = step = None
            else:
                answer = {"error": "no such command: " + command}
        except Exception as problem:  # a peer's failure is one answer, never the end of the run
            answer = {"error": f"{type(problem).__name__}: {problem}"[:300]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    options = sys.argv[2:]
    value = lambda flag, default: options[options.index(flag) + 1] if flag in options else default
    main(sys.argv[1], int(value("--threads", "1")), value("--peak", None))
