/* cotangent.h - everything: tensors, operations, derivatives, neural networks, data. */
#ifndef COTANGENT_H
#define COTANGENT_H

#include <cotangent/base.h>
#include <cotangent/tensor.h>
#include <cotangent/ops.h>
#include <cotangent/autograd.h>
#include <cotangent/capture.h>
#include <cotangent/custom.h>
#include <cotangent/trace.h>
#include <cotangent/inspect.h>
#include <cotangent/nn.h>
#include <cotangent/io.h>
#include <cotangent/check.h>

#endif
