/*
 * fashion_mnist.c - an image classifier from data to confusion table: trains an MLP on Fashion-MNIST (Xiao et al. 2017) in the
 * folder that is given, or else on the small handwritten digits that come with the library.
 */
#include <cotangent/cotangent.h>

#include <math.h>
#include <time.h>
#include <unistd.h>

enum { CLASSES = 10, BATCH = 64, MAX_SIDE = 28, MAX_TEST = 10000, SHOWN = 3, WIDTH = 26 }; /* three images fit in 80 columns */

typedef struct problem {
    ct_dataset *train, *test;
    const char *name, *class_names[CLASSES];
    int side, epochs;
    double promise; /* the accuracy that this program vouches for */
} problem;

static problem fashion_mnist(const char *folder)
{
    char path[4][4096];
    const char *const names[4] = {"train-images", "train-labels", "t10k-images", "t10k-labels"};
    for (int i = 0; i < 4; i++) snprintf(path[i], sizeof path[i], "%s/%s-idx%d-ubyte.gz", folder, names[i], i % 2 ? 1 : 3);
    if (access(path[0], R_OK) != 0) return (problem){0};
    return (problem){ct_dataset_idx(path[0], path[1]), ct_dataset_idx(path[2], path[3]), "Fashion-MNIST",
                     {"T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"},
                     28, 10, 0.88};
}

static problem digits(void)
{
    ct_dataset *all = ct_dataset_digits();
    const int64_t held_out = ct_dataset_count(all) / 5;
    const problem p = {ct_dataset_slice(all, 0, -held_out), ct_dataset_slice(all, -held_out, CT_NONE), "handwritten digits",
                       {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, 8, 40, 0.95};
    ct_dataset_free(all);
    return p;
}

static double seconds(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* On a terminal one line that is written over; elsewhere a line at the end of each epoch. */
static void show_progress(const problem *p, int epoch, int64_t batch, int64_t batches, double mean_loss, double start)
{
    const bool last = batch == batches, terminal = isatty(STDOUT_FILENO);
    if (terminal ? batch % 50 != 0 && !last : !last) return;
    const double done = (double)(epoch * batches + batch), all = (double)(p->epochs * batches), passed = seconds() - start;
    printf("%sepoch %2d/%d  batch %3lld/%lld  loss %.4f  %7.0f images/s  %.0f s left %s", terminal ? "\r" : "", epoch + 1,
           p->epochs, (long long)batch, (long long)batches, mean_loss, done * BATCH / passed, passed / done * (all - done),
           terminal ? "" : "\n");
    fflush(stdout);
}

static void train(ct_module *net, const problem *p)
{
    const double lr = 2e-3, start = seconds();
    ct_optimizer *adam = ct_optim_adam(net, lr);
    ct_loader *batches = ct_loader_new(p->train, BATCH, CT_SHUFFLE);
    for (int epoch = 0; epoch < p->epochs; epoch++) {
        ct_optimizer_set_lr(adam, lr * (1 + cos(acos(-1) * epoch / p->epochs)) / 2); /* from lr down to almost 0 */
        double sum = 0;
        ct_batch b;
        while (ct_loader_next(batches, &b)) {
            CT_SCOPE;
            ct_tensor *loss = ct_cross_entropy(ct_forward(net, b.x), b.y);
            ct_backward(loss);
            ct_optimizer_step(adam);
            sum += ct_item(loss);
            show_progress(p, epoch, b.index + 1, ct_loader_count(batches), sum / (double)(b.index + 1), start);
        }
    }
    printf("%s%.1f s for %d epochs\n", isatty(STDOUT_FILENO) ? "\n" : "", seconds() - start, p->epochs);
    ct_loader_free(batches);
    ct_optimizer_free(adam);
}

/* Two rows of pixels as one line of text: a character is two pixels above each other, in grey or in shades of ink. */
static void draw_line(const float *above, const float *below, int side)
{
    static const char *const ink[] = {" ", "░", "▒", "▓", "█"};
    const bool terminal = isatty(STDOUT_FILENO);
    const int margin = side > WIDTH ? (side - WIDTH) / 2 : 0;
    for (int i = margin; i < side - margin; i++) {
        if (terminal) printf("\033[38;5;%d;48;5;%dm▀", 232 + (int)(above[i] * 23), 232 + (int)(below[i] * 23));
        else fputs(ink[(int)((above[i] + below[i]) * 2 + 0.5F)], stdout);
    }
    fputs(terminal ? "\033[0m " : " ", stdout);
}

/* Images of the test set beside each other, and under each what the network says, and what it is where that differs. */
static void draw(const problem *p, ct_tensor *x, const int64_t shown[SHOWN], const int64_t *said, const int64_t *is)
{
    float image[SHOWN][MAX_SIDE * MAX_SIDE] = {{0}};
    const int side = p->side;
    for (int k = 0; k < SHOWN; k++) ct_copy_out(ct_select(x, 0, shown[k]), image[k], sizeof(float) * (size_t)(side * side));
    for (int row = 0; row < side; row += 2) {
        for (int k = 0; k < SHOWN; k++) draw_line(image[k] + row * side, image[k] + (row + 1) * side, side);
        puts("");
    }
    for (int k = 0; k < SHOWN; k++) {
        const int64_t a = said[shown[k]], b = is[shown[k]];
        char caption[64];
        snprintf(caption, sizeof caption, a == b ? "%s" : "%s (is %s)", p->class_names[a], p->class_names[b]);
        printf("%-*s ", side < WIDTH ? side : WIDTH, caption);
    }
    puts("");
}

/* Row: what the images are; column: what the network says. */
static void print_confusion(const problem *p, ct_tensor *said, ct_tensor *is)
{
    ct_tensor *table = ct_matmul(ct_transpose(ct_one_hot(is, CLASSES, CT_F32)), ct_one_hot(said, CLASSES, CT_F32));
    printf("\n%-9s", "is \\ said");
    for (int j = 0; j < CLASSES; j++) printf(" %5.5s", p->class_names[j]);
    for (int i = 0; i < CLASSES; i++) {
        printf("\n%-9s", p->class_names[i]);
        for (int j = 0; j < CLASSES; j++) printf(" %5.0f", ct_get(table, ct_index(i, j)));
    }
    puts("");
}

/* The accuracy on the test images, some of them with the first mistakes, and which classes are taken for which. */
static double evaluate(ct_module *net, const problem *p)
{
    CT_SCOPE;
    CT_NO_GRAD;
    ct_tensor *x = ct_dataset_x(p->test), *y = ct_dataset_y(p->test), *logits = ct_forward(net, x);
    ct_tensor *answers = ct_argmax(logits, -1, false);
    const double accuracy = ct_accuracy(logits, y);
    int64_t said[MAX_TEST], is[MAX_TEST], wrong[SHOWN] = {0}, mistakes = 0;
    const int64_t n = ct_count_of(answers);
    if (n < SHOWN || n > MAX_TEST || !ct_copy_out(answers, said, sizeof *said * (size_t)n) ||
        !ct_copy_out(y, is, sizeof *is * (size_t)n))
        return accuracy;
    for (int64_t i = 0; i < n && mistakes < SHOWN; i++)
        if (said[i] != is[i]) wrong[mistakes++] = i;
    draw(p, x, (const int64_t[SHOWN]){0, 1, 2}, said, is);
    if (mistakes == SHOWN) draw(p, x, wrong, said, is);
    print_confusion(p, answers, y);
    return accuracy;
}

int main(int argc, char **argv)
{
    ct_seed(1);
    problem p = argc > 1 ? fashion_mnist(argv[1]) : (problem){0};
    if (!p.name) p = digits();
    printf("%s: %lld images to learn from, %lld to test with\n", p.name, (long long)ct_dataset_count(p.train),
           (long long)ct_dataset_count(p.test));

    ct_module *net = ct_nn_sequential(ct_nn_linear(p.side * p.side, 128), ct_nn_relu(), ct_nn_linear(128, CLASSES));
    train(net, &p);
    const double accuracy = evaluate(net, &p);
    printf("\ntest accuracy %.2f %%\n", 100 * accuracy);

    ct_module_free(net);
    ct_dataset_free(p.train);
    ct_dataset_free(p.test);
    if (!(accuracy >= p.promise)) ct_raise(CT_ERROR_USER, "fashion_mnist", "the accuracy is below %g %%", 100 * p.promise);
    return ct_report(stderr);
}
