/*
 * fashion_mnist.c - an image classifier from data to confusion table: a network with one hidden layer learns Fashion-MNIST (Xiao
 * et al. 2017) from the folder that is given, or else the handwritten digits that come with the library.
 */
#include <cotangent/cotangent.h>

#include <math.h>
#include <time.h>
#include <unistd.h>

enum { CLASSES = 10, BATCH = 64, MAX_SIDE = 28, MAX_TEST = 10000, SHOWN = 3, WIDTH = 26 }; /* 3 x 26 fit in 80 columns */

typedef struct problem {
    ct_dataset *train, *test;
    const char *name, *class_name[CLASSES];
    int side, epochs;
    double white;   /* the largest value of a pixel */
    double noise;   /* added to pixels in training: smooths what is learned from few images (Bishop 1995) */
    double promise; /* the accuracy this program vouches for */
} problem;

static problem fashion_mnist(const char *folder)
{
    const char *const names[4] = {"train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"};
    char path[4][1024];
    for (int i = 0; i < 4; i++) snprintf(path[i], sizeof path[i], "%s/%s-ubyte.gz", folder, names[i]);
    if (access(path[0], R_OK) != 0) return (problem){0};
    return (problem){ct_dataset_idx(path[0], path[1]), ct_dataset_idx(path[2], path[3]), "Fashion-MNIST",
                     {"T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"},
                     .side = 28, .epochs = 10, .white = 1, .promise = 0.88};
}

static problem digits(void)
{
    ct_dataset *all = ct_dataset_digits();
    ct_dataset_set_scale(all, 4.0 / 16);
    const int64_t held_out = ct_dataset_count(all) / 5;
    const problem p = {ct_dataset_slice(all, 0, -held_out), ct_dataset_slice(all, -held_out, CT_NONE), "handwritten digits",
                       {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
                       .side = 8, .epochs = 300, .white = 4, .noise = 1, .promise = 0.95};
    ct_dataset_free(all);
    return p;
}

/* On a terminal one line that is written over; elsewhere ten lines in all. */
static void show_progress(const problem *p, int epoch, int64_t batch, int64_t batches, double mean_loss, double seconds)
{
    const bool last = batch == batches, terminal = isatty(STDOUT_FILENO);
    if (terminal ? batch % 100 != 0 && !last : !last || (epoch + 1) % (p->epochs / 10) != 0) return;
    const double done = (double)(epoch * batches + batch), all = (double)(p->epochs * batches);
    printf("%sepoch %3d/%d  batch %3lld/%lld  loss %.4f  %.0f images/s  %.1f s left%s", terminal ? "\r" : "", epoch + 1,
           p->epochs, (long long)batch, (long long)batches, mean_loss, done * BATCH / seconds, seconds * (all / done - 1),
           terminal && done < all ? "  " : "\n");
    fflush(stdout);
}

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void train(ct_module *net, const problem *p)
{
    const double lr = 2e-3, pi = acos(-1), start = now();
    ct_optimizer *adam = ct_optim_adam(net, lr);
    ct_loader *batches = ct_loader_new(p->train, BATCH, CT_SHUFFLE);
    for (int epoch = 0; epoch < p->epochs; epoch++) {
        ct_optimizer_set_lr(adam, lr * (1 + cos(pi * epoch / p->epochs)) / 2); /* falls from lr to almost 0 */
        double sum = 0;
        ct_batch b;
        while (ct_loader_next(batches, &b)) {
            CT_SCOPE;
            ct_tensor *x = p->noise > 0 ? ct_add(b.x, ct_normal(ct_shape_get(b.x), 0, p->noise, CT_F32)) : b.x;
            ct_tensor *loss = ct_cross_entropy(ct_forward(net, x), b.y);
            ct_backward(loss);
            ct_optimizer_step(adam);
            sum += ct_item(loss);
            show_progress(p, epoch, b.index + 1, ct_loader_count(batches), sum / (double)(b.index + 1), now() - start);
        }
    }
    ct_loader_free(batches);
    ct_optimizer_free(adam);
}

/* Two rows of pixels, 0 to 1, as one line: a character is two pixels above each other, in grey or in shades of ink. */
static void draw_line(const double *above, const double *below, int side)
{
    static const char *const ink[] = {" ", "░", "▒", "▓", "█"};
    const bool terminal = isatty(STDOUT_FILENO);
    const int margin = side > WIDTH ? (side - WIDTH) / 2 : 0;
    for (int i = margin; i < side - margin; i++) {
        if (terminal) printf("\033[38;5;%d;48;5;%dm▀", 232 + (int)(above[i] * 23), 232 + (int)(below[i] * 23));
        else fputs(ink[(int)((above[i] + below[i]) * 2 + 0.5)], stdout);
    }
    fputs(terminal ? "\033[0m " : " ", stdout);
}

/* Test images beside each other, and under each what the network says, and what it is where that differs. */
static void draw(const problem *p, ct_tensor *x, const int64_t shown[SHOWN], const int64_t *said, const int64_t *is)
{
    CT_SCOPE;
    double image[SHOWN][MAX_SIDE * MAX_SIDE] = {{0}};
    const int side = p->side;
    for (int k = 0; k < SHOWN; k++)
        ct_copy_values(ct_div(ct_select(x, 0, shown[k]), ct_scalar(p->white)), image[k], side * side);
    for (int row = 0; row < side; row += 2) {
        for (int k = 0; k < SHOWN; k++) draw_line(image[k] + row * side, image[k] + (row + 1) * side, side);
        puts("");
    }
    for (int k = 0; k < SHOWN; k++) {
        const int64_t a = said[shown[k]], b = is[shown[k]];
        char caption[64];
        snprintf(caption, sizeof caption, a == b ? "%s" : "%s (is %s)", p->class_name[a], p->class_name[b]);
        printf("%-*s ", side < WIDTH ? side : WIDTH, caption);
    }
    puts("");
}

/* Row: what the images are; column: what the network says. */
static void print_confusion(const problem *p, ct_tensor *said, ct_tensor *is)
{
    ct_tensor *table = ct_matmul(ct_transpose(ct_one_hot(is, CLASSES, CT_F32)), ct_one_hot(said, CLASSES, CT_F32));
    printf("\n%-9s", "is \\ said");
    for (int j = 0; j < CLASSES; j++) printf(" %5.5s", p->class_name[j]);
    for (int i = 0; i < CLASSES; i++) {
        printf("\n%-9s", p->class_name[i]);
        for (int j = 0; j < CLASSES; j++) printf(" %5.0f", ct_get(table, ct_index(i, j)));
    }
    puts("");
}

/* The accuracy on the test images; shows some of them, the first mistakes, and which classes are taken for which. */
static double evaluate(ct_module *net, const problem *p)
{
    CT_SCOPE;
    CT_NO_GRAD;
    ct_tensor *x = ct_dataset_x(p->test), *y = ct_dataset_y(p->test), *logits = ct_forward(net, x);
    ct_tensor *answers = ct_argmax(logits, -1, false);
    int64_t said[MAX_TEST], is[MAX_TEST], mistake[SHOWN] = {0}, mistakes = 0;
    const int64_t n = ct_count_of(answers), bytes = n * (int64_t)sizeof *is;
    if (n < SHOWN || n > MAX_TEST || !ct_copy_out(answers, said, (size_t)bytes) || !ct_copy_out(y, is, (size_t)bytes)) return NAN;
    for (int64_t i = 0; i < n && mistakes < SHOWN; i++)
        if (said[i] != is[i]) mistake[mistakes++] = i;
    draw(p, x, (const int64_t[SHOWN]){0, 1, 2}, said, is);
    draw(p, x, mistake, said, is);
    print_confusion(p, answers, y);
    return ct_accuracy(logits, y);
}

int main(int argc, char **argv)
{
    ct_seed(1);
    problem p = argc > 1 ? fashion_mnist(argv[1]) : (problem){0};
    if (!p.name) p = digits();
    printf("%s: %lld images to learn from, %lld to test with\n", p.name, (long long)ct_dataset_count(p.train),
           (long long)ct_dataset_count(p.test));

    ct_module *net = ct_nn_sequential(ct_nn_linear(p.side * p.side, 128), ct_nn_gelu(), ct_nn_linear(128, CLASSES));
    train(net, &p);
    const double accuracy = evaluate(net, &p);
    printf("\ntest accuracy %.2f %%\n", 100 * accuracy);
    if (!(accuracy >= p.promise)) ct_raise(CT_ERROR_USER, "fashion_mnist", "the accuracy is below %g %%", 100 * p.promise);

    ct_module_free(net);
    ct_dataset_free(p.train);
    ct_dataset_free(p.test);
    return ct_report(stderr);
}
