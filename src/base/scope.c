/*
 * scope.c - scopes: lists of links, one list for each open scope of the thread.
 *
 * A scope is a number, 1 for the outermost. Ending one ends all that were opened after it, so a longjmp out of a scope heals at
 * the next outer end. List heads live in chunks that never move, because links point back at them.
 */
#include "base/base.h"

#include <stdlib.h>

enum { CHUNK = CT__SCOPE_CHUNK };

void (*ct__link_release)(ct__link *link);

static ct__link **head_of(int scope)
{
    const unsigned i = (unsigned)scope - 1;
    return &ct__self.scope_chunks[i / CHUNK][i % CHUNK];
}

/* Makes room for the heads of one more chunk. */
static bool grow(void)
{
    if (!ct__thread_register()) return false; /* else nobody would free the chunks when the thread ends */
    const int n = ct__self.scope_chunk_count;
    ct__link ***chunks = realloc(ct__self.scope_chunks, (size_t)(n + 1) * sizeof *chunks);
    if (!chunks) return false;
    ct__self.scope_chunks = chunks;
    chunks[n] = calloc(CHUNK, sizeof **chunks);
    if (!chunks[n]) return false;
    ct__self.scope_chunk_count = n + 1;
    ct__self.count.mallocs += 2;
    return true;
}

int ct_scope_begin(void)
{
    const int scope = ct__self.scopes + 1;
    if (CT__LIKELY(((unsigned)scope - 1) % CHUNK != 0)) return ct__scope_begin();
    if (CT__UNLIKELY(scope > ct__self.scope_chunk_count * CHUNK) && !grow()) {
        ct__fail_memory("ct_scope_begin", CHUNK * sizeof(ct__link *));
        return scope; /* ending it does no harm; what would be in it stays in the scope around it */
    }
    ct__link **head = head_of(scope);
    *head = NULL;
    ct__self.scope_head = head;
    ct__self.scopes = scope;
    return scope;
}

void ct_scope_end(int number)
{
    if (number < 1) return;
    while (ct__self.scopes >= number) {
        ct__link **head = ct__self.scope_head, *link;
        while ((link = *head) != NULL) {
            *head = link->next;
            if (link->next) link->next->at = head;
            link->at = NULL;
            ct__link_release(link);
        }
        ct__self.scopes--;
        ct__self.scope_head = ct__self.scopes ? head_of(ct__self.scopes) : NULL;
    }
}

void ct_scope_cleanup(const int *number) { ct_scope_end(*number); }

void ct__scope_adopt_into(ct__link *link, int scope)
{
    ct__link **head = head_of(scope);
    link->next = *head;
    link->at = head;
    link->scope = scope;
    if (*head) (*head)->at = &link->next;
    *head = link;
}
