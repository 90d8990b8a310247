"""Processes that take turns: bench_rows (ours), bench_rows --openblas, and peers.py, each with one thread and with two.

Who is not measured is stopped (SIGSTOP), so that nobody's idle threads, which may spin, take time from another. What others do on
the machine slows one processor or the other down for seconds at a time: so those with one thread run on the same processor in a
round, on the next one in the next round, and the rounds of a row are spread over some seconds. And a loop that has nothing to do
with any of them (quiet.c) tells before and after each turn whether its processors have been slowed down.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


class Process:
    """One process, which answers each line with a line of JSON."""

    def __init__(self, name, command, threads, environment):
        self.name, self.threads, self.alive = name, threads, True
        self.log = tempfile.TemporaryFile(mode="w+")
        bind = None
        if name == "jax" and threads == 1 and hasattr(os, "sched_setaffinity"):  # XLA makes a thread for each processor it may use
            last = sorted(os.sched_getaffinity(0))[-1:]
            bind = lambda: os.sched_setaffinity(0, last)  # noqa: E731
        self.child = subprocess.Popen([*map(str, command), "--threads", str(threads)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1, env=environment,
                                      preexec_fn=bind)

    def move(self, processor):
        """All its threads, which is for a process that works with one."""
        try:
            for task in os.listdir(f"/proc/{self.child.pid}/task"):
                os.sched_setaffinity(int(task), {processor})
        except OSError:  # it has ended, as its next answer tells
            pass

    def ask(self, line):
        if not self.alive:
            return {"error": "has ended"}
        self.child.send_signal(signal.SIGCONT)
        try:
            self.child.stdin.write(line + "\n")
            self.child.stdin.flush()
            answer = self.child.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            self.alive = False
            self.log.seek(0)
            return {"error": f"{self.name} ended: " + self.log.read()[-300:].strip()}
        self.child.send_signal(signal.SIGSTOP)
        try:
            return json.loads(answer)
        except ValueError:
            return {"error": "not JSON: " + answer[:200]}

    def close(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.kill()
        self.child.wait()
        self.log.close()


def find_library(variable, patterns):
    """A shared library named by the environment, else the first that the patterns find where systems put them; else None."""
    if os.environ.get(variable):
        return os.environ[variable]
    for folder in ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"):
        for pattern in patterns:
            for path in sorted(pathlib.Path(folder).glob(pattern)):
                return str(path)
    return None


def find_openblas():
    """(path, whether it picks its kernels by the processor). The one of PyPI's scipy-openblas32, which is current, where the peers'
    interpreter has it; else the system's, for which some machines name the kernels in OPENBLAS_CORETYPE, as older ones fail there."""
    if os.environ.get("COTANGENT_OPENBLAS"):
        return os.environ["COTANGENT_OPENBLAS"], False
    interpreter = shutil.which(os.environ.get("COTANGENT_PEERS", "python3"))
    ask = "import scipy_openblas32 as s; print(s.get_lib_dir() + '/lib' + s.get_library() + '.so')"
    if interpreter:
        found = subprocess.run([interpreter, "-c", ask], capture_output=True, text=True).stdout.strip()
        if found and pathlib.Path(found).exists():
            return found, True
    return find_library("COTANGENT_OPENBLAS",
                        ["*/openblas-pthread/libopenblas.so.0", "*/libopenblas.so.0", "libopenblas.so*"]), False


# The headers that KANN's sources look for; rspamd's copy, which Debian has, includes the first two.
KANN_HEADERS = {
    "config.h": "",
    "blas-config.h": "",
    "cblas.h": """enum CBLAS_ORDER { CblasRowMajor = 101, CblasColMajor };
enum CBLAS_TRANSPOSE { CblasNoTrans = 111, CblasTrans };
void cblas_sgemm(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, int, int, int, float, const float *, int,
                 const float *, int, float, float *, int);
void cblas_saxpy(int, float, const float *, int, float *, int);
""",
}


def build_kann(sources, folder):
    """kann_rows, compiled with KANN's two source files for this machine; None where that fails, which it says."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in KANN_HEADERS.items():
        (folder / name).write_text(text, encoding="utf-8")
    files = [HERE / "kann_rows.c", pathlib.Path(sources) / "kann.c", pathlib.Path(sources) / "kautodiff.c"]
    if not files[2].exists():
        print(f"KANN: COTANGENT_KANN names no folder with kann.c and kautodiff.c: {sources}", file=sys.stderr)
        return None
    of_rspamd = "blas-config.h" in files[2].read_text(encoding="utf-8")
    blas = ["HAVE_CBLAS_H", "HAVE_CBLAS_SGEMM", "HAVE_CBLAS_SAXPY"] if of_rspamd else ["HAVE_CBLAS"]
    options = ["-O3", "-march=native", "-ffast-math", "-w", "-include", "stdbool.h", "-DHAVE_PTHREAD", *(f"-D{b}" for b in blas)]
    command = ["gcc", *options, f"-I{folder}", f"-I{sources}", *files, "-o", folder / "kann_rows", "-lm", "-ldl", "-lpthread"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode == 0:
        return folder / "kann_rows"
    print("KANN could not be compiled:", done.stderr[-500:], file=sys.stderr)
    return None


def find_peers(openblas, folder):
    """[(name, command)] of the peers that are there."""
    found = []
    interpreter = shutil.which(os.environ.get("COTANGENT_PEERS", "python3"))
    for name in ("torch", "jax"):
        probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
        if interpreter and subprocess.run([interpreter, "-c", probe], stderr=subprocess.DEVNULL).returncode == 0:
            found.append((name, [interpreter, HERE / "peers.py", name]))
    if os.environ.get("COTANGENT_KANN") and not openblas:
        print("KANN takes no part: there is no OpenBLAS for it", file=sys.stderr)
    elif os.environ.get("COTANGENT_KANN"):
        program = build_kann(os.environ["COTANGENT_KANN"], folder / "kann")
        found += [("kann", [program, "--openblas", openblas])] if program else []
    return found


def median(values):
    return statistics.median(values) if values else None


class Quiet:
    """Whether processors are as fast as they have been."""

    SLOWER = 1.08  # than the least time of the loop: somebody else is there

    def __init__(self, program, environment):
        self.process = Process("quiet", [program], 1, environment) if program.exists() else None
        self.least = float("inf")

    def learn(self, processors, seconds):
        """What the least time is: some moment of so many seconds will be quiet."""
        end = time.time() + seconds
        while self.process and time.time() < end:
            self.holds(processors)
            time.sleep(0.01)

    def holds(self, processors):
        times = []
        for processor in processors if self.process else []:
            self.process.move(processor)
            times.append(self.process.ask("").get("us", 0))
        self.least = min([self.least, *times])
        return all(t <= self.SLOWER * self.least for t in times)

    def close(self):
        if self.process:
            self.process.close()


class Contest:
    def __init__(self, program, options, threads):
        self.program, self.options, self.threads = program, options, threads
        self.patience = 0  # seconds that the row may still spend on turns that were disturbed
        self.turns, self.quiet_turns = 0, 0
        self.failures, self.processes = [], []
        self.openblas, self.openblas_is_current = find_openblas()
        self.sleef = find_library("COTANGENT_SLEEF", ["*/libsleef.so.3", "libsleef.so*"])
        self.peers = [] if options.no_peers else find_peers(self.openblas, options.output)
        self.processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
        self.quiet = Quiet(pathlib.Path(program).parent / "bench_quiet", self.environment(1))
        self.quiet.learn(self.processors, min(options.patience, 5))
        for n in threads:
            self.start("ours", [program], n)
            kernels = pathlib.Path(program).parent / "bench_kernels"
            if kernels.exists():
                self.start("kernels", [kernels], n)
            if self.openblas:
                self.start("openblas", [program, "--openblas", self.openblas], n)
            for name, command in self.peers:
                self.start(name, command, n)

    def environment(self, threads):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        env.pop("OMP_WAIT_POLICY", None)
        if not self.options.active:
            env["OMP_WAIT_POLICY"] = "passive"
        if self.openblas_is_current:
            for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
                env.pop(variable, None)
        if self.sleef:
            env["COTANGENT_SLEEF"] = self.sleef
        if threads == 1:
            env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        return env

    def start(self, name, command, threads):
        self.processes.append(Process(name, command, threads, self.environment(threads)))

    def close(self):
        self.quiet.close()
        for process in self.processes:
            process.close()

    # ---- one row ----

    def fail(self, where, answer):
        self.failures.append(f"{where}: {answer['error']}")
        print(f"  {where}: {answer['error']}", file=sys.stderr)

    def open(self, row):
        """[(process, contestant)] of everybody who takes part."""
        turns, about = [], {}
        for process in self.processes:
            answer = process.ask(f"open {row}")
            if "error" in answer:
                if process.name == "ours":
                    self.fail(f"{row} {process.name} {process.threads}", answer)
                continue
            if process.name == "ours":
                about = answer
            turns += [(process, contestant) for contestant in answer["contestants"]]
        return turns, about

    def turn(self, process, question, number):
        """The answer of a turn of round `number`, which is taken again where it was disturbed, while the row has patience. With one
        thread on one processor, another in each round."""
        chosen = self.processors[:process.threads]
        if process.threads == 1 and chosen:
            chosen = [self.processors[number % len(self.processors)]]
            process.move(chosen[0])
        while True:
            begin, last = time.time(), self.patience <= 0
            quiet = self.quiet.holds(chosen)
            answer = process.ask(question) if quiet or last else None
            quiet = quiet and self.quiet.holds(chosen)
            if quiet or last or (answer and "error" in answer):
                self.turns += 1
                self.quiet_turns += quiet
                return answer
            if not answer:
                time.sleep(0.005)
            self.patience -= time.time() - begin

    def run(self, row):
        turns, about = self.open(row)
        counted = {str(p.threads): p.ask("count") for p in self.processes
                   if p.name == "ours" and any(q is p and c == "library" for q, c in turns)}
        times = {}
        rounds = self.options.rounds
        self.patience = self.options.patience
        for turn in range(rounds):
            begin = time.time()
            for process, contestant in turns if turn % 2 == 0 else reversed(turns):
                answer = self.turn(process, f"time {contestant} {self.options.seconds}", turn)
                if "error" in answer:
                    self.fail(f"{row} {contestant} {process.threads}", answer)
                    continue
                times.setdefault(f"{contestant} {process.threads}", []).append(answer["cpu_us" if self.options.cpu else "us"])
            time.sleep(max(0, self.options.spread / rounds - (time.time() - begin)))
        result = {k: about.get(k, default) for k, default in (("what", ""), ("bytes", 0), ("flops", 0), ("per", 1))}
        result["times"] = {k: v for k, v in times.items() if len(v) == rounds}
        result["count"] = counted
        result["us"] = {k: median(v) for k, v in result["times"].items()}
        for process in self.processes:
            process.ask("close")
        return result

    def peaks(self, row, names):
        """Peak memory in kilobytes of a process of its own that runs the row's steps, one thread."""
        commands = {"ours": [self.program], **dict(self.peers)}
        found = {}
        for name, command in commands.items():
            if name not in names:
                continue
            done = subprocess.run([*map(str, command), "--threads", "1", "--peak", row], capture_output=True, text=True,
                                  env=self.environment(1))
            try:
                found[name] = json.loads(done.stdout.splitlines()[-1])["peak_kilobytes"]
            except (IndexError, KeyError, ValueError):
                continue
        return found

    # ---- all ----

    def wanted(self, names):
        def family(name):
            return re.match(r"[A-Z]+", name).group()

        asked, large = set(self.options.rows), ("W6", "G6")
        chosen = [n for n in names if not asked or asked & {n, n.split(".")[0], family(n)}]
        return [n for n in chosen if not n.startswith(large) or self.options.w6 or asked & {n, n.split(".")[0]}]

    def all_rows(self):
        begin = time.time()
        names = self.wanted(self.processes[0].ask("list")["rows"])
        results = {"rows": {}, "failures": self.failures, "threads": list(self.threads)}
        for name in names:
            start = time.time()
            row = results["rows"][name] = self.run(name)
            if not self.options.quick and not self.options.cpu and name[0] in "WE":
                row["peak_kilobytes"] = self.peaks(name, {"ours", *(k.split()[0] for k in row["us"])})
            shown = ", ".join(f"{k}: {v:.4g}" for k, v in row["us"].items())
            print(f"{name:8} {time.time() - start:5.1f} s  {shown}", file=sys.stderr, flush=True)
        results["about"] = self.about(time.time() - begin)
        results["start"] = self.start_up()
        return results

    def about(self, seconds):
        versions = {p.name: p.ask("list").get("version") for p in self.processes if p.name not in ("ours", "kernels", "openblas")}
        ours = self.processes[0].ask("about")
        return {
            "date": time.strftime("%Y-%m-%d %H:%M"),
            "seconds": round(seconds),
            "processor": processor(),
            "processors": os.cpu_count(),
            "load": os.getloadavg(),
            "instruction_set": ours.get("instruction_set"),
            "rounds": self.options.rounds,
            "turn": self.options.seconds,
            "spread": self.options.spread,
            "quiet": self.quiet_turns / self.turns if self.turns else 0,
            "clock": "processor" if self.options.cpu else "wall",
            "wait_policy": "unset" if self.options.active else "passive",
            "peers": versions,
            "openblas": pathlib.Path(self.openblas).name if self.openblas else None,
            "sleef": pathlib.Path(self.sleef).name if self.sleef else None,
        }

    def start_up(self):
        """Milliseconds from the start of a process to the end of the first step of a small net; the size of the library."""
        program = pathlib.Path(self.program).parent / "bench_first_step"
        library = pathlib.Path(self.program).parent.parent / "src/libcotangent.so"
        found = {}
        if program.exists():
            times = []
            for _ in range(3 if self.options.quick else 15):
                begin = time.perf_counter()
                ok = subprocess.run([program], env=self.environment(2)).returncode == 0
                times.append(1e3 * (time.perf_counter() - begin))
                if not ok:
                    self.fail("first step", {"error": "the program failed"})
                    break
            found["first_step_ms"] = median(times)
        if library.exists() and shutil.which("strip"):
            with tempfile.NamedTemporaryFile() as stripped:
                if subprocess.run(["strip", "-o", stripped.name, library]).returncode == 0:
                    found["stripped_bytes"] = os.path.getsize(stripped.name)
        return found


def processor():
    try:
        for line in open("/proc/cpuinfo", encoding="utf-8"):
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"
