/* What the benchmark programs share: a table of figures as CSV on stdout, and the requests that they are taken on. */
#ifndef TESTS_FIGURES_H
#define TESTS_FIGURES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void figures_head(void) { puts("figure,unit,min,median,p99,runs"); }

static int figures_by_size(const void *pa, const void *pb) {
  const double *a = pa, *b = pb;
  return *a < *b ? -1 : *a > *b;
}

/* A row of n samples, which are sorted; none without samples. With fewer than 100 the p99 is the largest. */
static inline void figures_row(const char *what, const char *unit, double *v, size_t n) {
  if (n == 0) return;
  qsort(v, n, sizeof *v, figures_by_size);
  printf("%s,%s,%.3f,%.3f,%.3f,%zu\n", what, unit, v[0], v[n / 2], v[n * 99 / 100], n);
  fflush(stdout);
}

/* The lines of examples/requests.txt that are no comments, at most `max`; how many those are. */
static inline size_t figures_requests(char lines[][512], size_t max) {
  FILE *f = fopen("examples/requests.txt", "r");
  size_t n = 0;
  while (f != NULL && n < max && fgets(lines[n], sizeof lines[n], f) != NULL) {
    lines[n][strcspn(lines[n], "\r\n")] = '\0';
    if (lines[n][0] != '\0' && lines[n][0] != '#') n++;
  }
  if (f != NULL) fclose(f);
  return n;
}

#endif
