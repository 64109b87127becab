// CUDA kernels on the CPU, for tests.
//
// The threads of a block are coroutines that take turns.  A thread runs until it ends or has to wait: at a shuffle for
// the other lanes of its warp, at a barrier for the whole block.  Lanes of a warp that part ways are an error, though
// some GPUs would forgive it.  Blocks run one after the other, and have whole warps.

#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

using std::erf, std::exp, std::log, std::nan, std::sqrt, std::tanh;

#define __global__ static
#define __device__
#define __shared__ static

struct Index { unsigned x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;

enum State { READY, AT_SHUFFLE, AT_BARRIER, ENDED };
struct Thread {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    State state = READY;
    unsigned shuffles = 0;
    double given[2];  // to the lanes that ask for it: two, since a lane may already give the next
};
static std::vector<Thread> threads;
static unsigned current;
static ucontext_t scheduler;
static void (*body)(void**);
static void** arguments;

inline void wait(State state) {
    threads[current].state = state;
    swapcontext(&threads[current].context, &scheduler);
}

inline void __syncthreads() { wait(AT_BARRIER); }

template <typename V> V __shfl_xor_sync(unsigned lanes, V value, unsigned distance) {
    const unsigned turn = threads[current].shuffles++ % 2, me = current;
    threads[me].given[turn] = value;
    wait(AT_SHUFFLE);
    return threads[me ^ distance].given[turn];
}

inline float __uint_as_float(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }
inline unsigned __float_as_uint(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }

struct float16 {
    _Float16 value;
    float16(float x) : value(x) {}
    operator float() const { return value; }
};
inline float half_to_float(unsigned short bits) { _Float16 x; memcpy(&x, &bits, 2); return x; }
inline unsigned short float_to_half(float y) { _Float16 x = y; unsigned short bits; memcpy(&bits, &x, 2); return bits; }

static void thread_main() {
    body(arguments);
    wait(ENDED);
}

// Run a warp until its lanes are at a barrier or have ended; whether they stayed together.
static bool run_warp(unsigned first) {
    while (threads[first].state <= AT_SHUFFLE) {
        for (unsigned i = first; i < first + 32; ++i) {
            current = i;
            threadIdx = {i % blockDim.x, i / blockDim.x, 0};
            swapcontext(&scheduler, &threads[i].context);
        }
        for (unsigned i = first; i < first + 32; ++i)
            if (threads[i].state != threads[first].state) return false;
    }
    return true;
}

// Between two barriers one warp after the other goes as far as it can, from the first to the last and the other way
// round by turns: what they tell one another without a barrier is then read too early or too late.
static bool run_block() {
    const unsigned warps = blockDim.x * blockDim.y / 32;
    for (unsigned i = 0; i < 32 * warps; ++i) {
        threads[i].state = READY;
        getcontext(&threads[i].context);
        threads[i].context.uc_stack.ss_sp = threads[i].stack.data();
        threads[i].context.uc_stack.ss_size = threads[i].stack.size();
        makecontext(&threads[i].context, thread_main, 0);
    }
    for (unsigned round = 0, ended = 0; ended < 32 * warps; ++round) {
        for (unsigned w = 0; w < warps; ++w)
            if (!run_warp(32 * (round % 2 ? warps - 1 - w : w))) return false;
        ended = 0;
        for (unsigned i = 0; i < 32 * warps; ++i) {
            if (threads[i].state == ENDED) ++ended;
            else threads[i].state = READY;  // all that go on are at the barrier
        }
    }
    return true;
}

static bool run(void (*kernel)(void**), const unsigned* grid, const unsigned* block, void** args) {
    gridDim = {grid[0], grid[1], 1}, blockDim = {block[0], block[1], 1};
    body = kernel, arguments = args;
    if (threads.size() < block[0] * block[1]) threads.resize(block[0] * block[1]);
    for (unsigned y = 0; y < grid[1]; ++y)
        for (unsigned x = 0; x < grid[0]; ++x) {
            blockIdx = {x, y, 0};
            if (!run_block()) return false;
        }
    return true;
}

template <typename... P, size_t... I>
void apply(void (*kernel)(P...), void** args, std::index_sequence<I...>) { kernel(*(P*)args[I]...); }
template <typename... P>
void apply(void (*kernel)(P...), void** args) { apply(kernel, args, std::index_sequence_for<P...>()); }
