/* The example of lib/app, as an app. */
#include "../../../../lib/app/examples/tour.c"
