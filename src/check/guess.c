/*
 * guess.c - which mistakes explain what was given.
 *
 * Every candidate (a mistake made on purpose, or none) is fitted to every parameter that is wrong. Then the candidate that
 * explains most of them is taken, the simpler one where two explain as many, and the search goes on with the parameters that are
 * left. A candidate that would also have changed a parameter that is right is the worse for it.
 */
#include "check/compare.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate {
    ct__mistake mistake;
    int contradictions; /* parameters that are right, and would not be */
    ct__fit *fit;       /* of each parameter */
} candidate;

typedef struct search {
    ct_comparison *c;
    ct__model *model;
    candidate *all;
    int n, room;
    bool *open; /* wrong, and not explained yet */
    int *biases, n_biases;
} search;

/* ---- collecting candidates -------------------------------------------------------------------------------- */

static bool is_wrong(const ct__parameter *p) { return p->summary.wrong > 0; }

/* Fits it; kept only where it explains something. */
static bool consider(void *context, const ct__mistake *mistake, double *const *gradients)
{
    search *s = context;
    candidate k = {.mistake = *mistake, .fit = ct__check_memory(s->model->operation, (size_t)s->c->n, sizeof *k.fit)};
    bool any = false;
    if (!k.fit) return false;
    for (int i = 0; i < s->c->n; i++) {
        const ct__parameter *p = &s->c->p[i];
        if (!is_wrong(p)) k.contradictions += !ct__same_as_autograd(p, gradients[i]);
        /* Where the mistake changes nothing it explains nothing. */
        else if (!mistake->mistakes || !ct__same_as_autograd(p, gradients[i]))
            k.fit[i] = ct__fit_of(s->c, p, gradients[i], !mistake->mistakes);
        any = any || k.fit[i].fits;
    }
    if (any && s->n == s->room) {
        const int room = s->room ? 2 * s->room : 32;
        candidate *all = realloc(s->all, (size_t)room * sizeof *all);
        if (!all) {
            free(k.fit);
            return ct_raise(CT_ERROR_MEMORY, s->model->operation, "no memory for %d candidates", room);
        }
        s->all = all;
        s->room = room;
    }
    if (any) s->all[s->n++] = k;
    else free(k.fit);
    return true;
}

/* Nothing but a factor, a transposition, a penalty. */
static bool consider_plain(search *s, double **g)
{
    const ct__mistake none = {.mistakes = 0};
    for (int i = 0; i < s->c->n; i++) g[i] = s->c->p[i].autograd;
    return consider(s, &none, g);
}

/* Two parameters of as many elements with each other's gradients. */
static bool consider_swaps(search *s, double **g)
{
    enum { MOST = 64 };
    for (int i = 0; i < s->c->n && i < MOST; i++) {
        for (int j = 0; j < i; j++) {
            const ct__parameter *p = &s->c->p[i], *q = &s->c->p[j];
            if (p->count != q->count || !(is_wrong(p) || is_wrong(q))) continue;
            for (int k = 0; k < s->c->n; k++) g[k] = s->c->p[k == i ? j : k == j ? i : k].autograd;
            ct__mistake swapped = {.mistakes = CT_MISTAKE_SWAPPED, .cost = 2};
            snprintf(swapped.text, sizeof swapped.text, "%.80s and %.80s had each other's gradient", q->name, p->name);
            if (!consider(s, &swapped, g)) return false;
        }
    }
    return true;
}

/* The biases of the layers, each once. */
static bool note_biases(search *s, const ct__network *net)
{
    s->biases = ct__check_memory(s->model->operation, (size_t)net->n_layers, sizeof *s->biases);
    for (int i = 0; i < net->n_layers && s->biases; i++) {
        bool known = net->layers[i].bias < 0;
        for (int k = 0; k < s->n_biases; k++) known = known || s->biases[k] == net->layers[i].bias;
        if (!known) s->biases[s->n_biases++] = net->layers[i].bias;
    }
    return s->biases != NULL;
}

/* With the network as it was traced: first the sizes that factors are made of, then its own mistakes. */
static bool consider_network(search *s, double **g)
{
    ct__network net;
    bool ok = ct__network_of(&net, s->model);
    if (ok && net.n_layers) {
        const ct__layer *last = &net.layers[net.n_layers - 1];
        if (!s->c->batch) s->c->batch = last->batch;
        s->c->outputs = last->outputs;
    }
    ok = ok && ct__find_rest(&net, s->c) && consider_plain(s, g) && consider_swaps(s, g) && note_biases(s, &net) &&
        ct__try_mistakes(&net, consider, s);
    ct__network_free(&net);
    return ok && ct__try_without_biases(s->model, s->c, s->biases, s->n_biases, consider, s);
}

/* ---- writing guesses -------------------------------------------------------------------------------------- */

static ct__guess *guess_new(search *s)
{
    ct_comparison *c = s->c;
    ct__guess *guesses = realloc(c->guesses, (size_t)(c->n_guesses + 1) * sizeof *guesses);
    int *parameters = ct__check_memory(s->model->operation, (size_t)c->n, sizeof *parameters);
    if (guesses) c->guesses = guesses;
    if (!guesses || !parameters) {
        free(parameters);
        ct_raise(CT_ERROR_MEMORY, s->model->operation, "no memory for a guess");
        return NULL;
    }
    ct__guess *guess = &c->guesses[c->n_guesses++];
    *guess = (ct__guess){.shown = {.parameters = parameters, .factor = 1}};
    return guess;
}

static void add_parameter(ct__guess *guess, int parameter)
{
    ((int *)guess->shown.parameters)[guess->shown.n_parameters++] = parameter;
}

/* "W1, b1 and 3 more" */
static void list_names(const ct_comparison *c, const ct__guess *guess, char *to, size_t size)
{
    enum { SHOWN = 6 };
    const ct_guess *g = &guess->shown;
    size_t at = 0;
    *to = '\0';
    for (int i = 0; i < g->n_parameters && i < SHOWN && at < size; i++)
        at += (size_t)snprintf(to + at, size - at, "%s%.32s", i ? ", " : "", c->p[g->parameters[i]].name);
    if (g->n_parameters > SHOWN && at < size) snprintf(to + at, size - at, " and %d more", g->n_parameters - SHOWN);
}

static bool same_fit(const ct__fit *a, const ct__fit *b)
{
    return b->fits && a->mistakes == b->mistakes && fabs(a->factor - b->factor) <= 1e-3 * fabs(a->factor) &&
           fabs(a->penalty - b->penalty) <= 1e-3 * fabs(a->penalty);
}

/* All open parameters that the candidate fits in the same way as parameter `first`; `again`: the guess before was of the
 * same candidate and nothing else. */
static bool write_guess(search *s, const candidate *k, int first, bool again)
{
    ct__guess *guess = guess_new(s);
    if (!guess) return false;
    const ct__fit fit = k->fit[first];
    ct_guess *g = &guess->shown;
    for (int i = first; i < s->c->n; i++) {
        if (!s->open[i] || !same_fit(&fit, &k->fit[i])) continue;
        add_parameter(guess, i);
        g->residual = fmax(g->residual, k->fit[i].residual);
        s->open[i] = false;
    }
    g->mistakes = k->mistake.mistakes | fit.mistakes;
    g->factor = fit.factor;
    g->file = k->mistake.file;
    g->line = k->mistake.line;
    snprintf(guess->operation, sizeof guess->operation, "%s", k->mistake.operation);
    char names[240], more[240];
    list_names(s->c, guess, names, sizeof names);
    ct__fit_text(s->c, &s->c->p[first], &fit, more, sizeof more);
    const bool made = k->mistake.mistakes != 0;
    const char *as = !made ? "" : again ? "the same" : "as if ";
    snprintf(guess->sentence, sizeof guess->sentence, "%s: %s%s%s%s", names, as, again && made ? "" : k->mistake.text,
             made && *more ? "; besides, " : "", more);
    return true;
}

/* ---- choosing --------------------------------------------------------------------------------------------- */

static double score(const search *s, const candidate *k)
{
    double score = -k->mistake.cost - 3 * k->contradictions;
    int explained = 0;
    for (int i = 0; i < s->c->n; i++) {
        if (!s->open[i] || !k->fit[i].fits) continue;
        explained++;
        bool counted = false; /* a factor that several share costs once */
        for (int j = 0; j < i; j++) counted = counted || (s->open[j] && k->fit[j].fits && same_fit(&k->fit[i], &k->fit[j]));
        score += counted ? 10 : 10 - k->fit[i].cost;
    }
    return explained ? score : -INFINITY;
}

static bool choose(search *s)
{
    for (;;) {
        const candidate *best = NULL;
        double most = 0;
        for (int i = 0; i < s->n; i++) {
            const double points = score(s, &s->all[i]);
            if (!(points > most)) continue;
            most = points;
            best = &s->all[i];
        }
        if (!best) return true;
        bool again = false;
        for (int i = 0; i < s->c->n; i++) {
            if (!s->open[i] || !best->fit[i].fits) continue;
            again = again && best->fit[i].mistakes;
            if (!write_guess(s, best, i, again)) return false;
            again = !best->fit[i].mistakes;
        }
    }
}

/* ---- what needs no candidate ------------------------------------------------------------------------------- */

static bool simple_guess(search *s, int i, unsigned mistake, const char *text)
{
    ct__guess *guess = guess_new(s);
    if (!guess) return false;
    add_parameter(guess, i);
    guess->shown.mistakes = mistake;
    snprintf(guess->sentence, sizeof guess->sentence, "%.80s: %.300s", s->c->p[i].name, text);
    s->open[i] = false;
    return true;
}

static bool finite(const ct__parameter *p)
{
    for (int64_t k = 0; k < p->count; k++) {
        if (!isfinite(p->hand[k])) return false;
    }
    return true;
}

static bool zero(const ct__parameter *p)
{
    for (int64_t k = 0; k < p->count; k++) {
        if (p->hand[k] != 0) return false;
    }
    return true;
}

/* The row or column (axis 0 or 1 of a matrix) in which all wrong elements lie; -1. */
static int64_t only_line(const ct__parameter *p, int axis)
{
    int64_t line = -1;
    for (int64_t k = 0; k < p->count; k++) {
        if (p->verdict[k] != CT_WRONG) continue;
        const int64_t at = axis ? k % p->shape.dim[1] : k / p->shape.dim[1];
        if (line >= 0 && line != at) return -1;
        line = at;
    }
    return line;
}

/* All right but for a few elements? */
static bool consider_few(search *s, int i)
{
    const ct__parameter *p = &s->c->p[i];
    char text[320];
    const int64_t wrong = p->summary.wrong;
    if (p->summary.right + p->summary.wrong < p->count || wrong >= p->count) return true;
    if (p->shape.rank == 2 && wrong > 1) {
        for (int axis = 0; axis < 2; axis++) {
            const int64_t line = only_line(p, axis);
            if (line < 0 || p->shape.dim[axis] < 2) continue;
            snprintf(text, sizeof text, "only %s %lld is wrong; is an index or a loop's bound off by one?",
                     axis ? "column" : "row", (long long)line);
            return simple_guess(s, i, CT_MISTAKE_FEW, text);
        }
    }
    if (4 * wrong > p->count) return true;
    snprintf(text, sizeof text, "only %lld of %lld values %s wrong, the worst at %s", (long long)wrong, (long long)p->count,
             wrong == 1 ? "is" : "are", ct__list_text(ct__place_of_element(p->shape, p->summary.worst)).text);
    return simple_guess(s, i, CT_MISTAKE_FEW, text);
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

bool ct__guess_mistakes(ct_comparison *c, ct__model *m)
{
    search s = {.c = c, .model = m, .open = ct__check_memory(m->operation, (size_t)c->n, sizeof *s.open)};
    double **g = ct__check_memory(m->operation, (size_t)c->n, sizeof *g);
    bool ok = s.open && g, any = false;
    for (int i = 0; ok && i < c->n; i++) {
        s.open[i] = is_wrong(&c->p[i]);
        if (s.open[i] && !finite(&c->p[i]))
            ok = simple_guess(&s, i, CT_MISTAKE_NOT_A_NUMBER, "there are NaN or infinite values in it");
        any = any || s.open[i];
    }
    if (ok && any) ok = consider_network(&s, g) && choose(&s);
    for (int i = 0; ok && i < c->n; i++) {
        if (!s.open[i]) continue;
        ok = zero(&c->p[i]) ? simple_guess(&s, i, CT_MISTAKE_ZERO, "it is zero everywhere; was it never computed?")
                            : consider_few(&s, i);
    }
    for (int i = 0; i < s.n; i++) free(s.all[i].fit);
    free(s.all);
    free(s.biases);
    free(s.open);
    free(g);
    return ok;
}
