/*
 * stop.c - when to stop training: after so many epochs, or when the watched loss no longer falls.
 *
 * `best` is the loss that a new one must undercut by more than min_delta to count as an improvement; only then does it
 * change. So many small steps down do count once they add up to min_delta.
 */
#include "nn.h"

#include <math.h>

bool ct_stop(ct_stopper *stopper, double loss)
{
    if (!stopper) {
        ct_raise(CT_ERROR_NULL, "ct_stop", "stopper is NULL");
        return true;
    }
    stopper->improved = false;
    if (ct_error()) return true; /* the loss of a failed epoch says nothing */
    if (stopper->epoch++ == 0) stopper->best = INFINITY;
    stopper->improved = loss < stopper->best - stopper->min_delta;
    stopper->since_best++;
    if (stopper->improved) {
        stopper->best = loss;
        stopper->best_epoch = stopper->epoch;
        stopper->since_best = 0;
    }
    return isnan(loss) || (stopper->max_epochs > 0 && stopper->epoch >= stopper->max_epochs) ||
           (stopper->patience > 0 && stopper->since_best >= stopper->patience);
}
