/* The smallest program with Minnow: one sentence in, its actions out.
 *   cc hello.c $(pkg-config --cflags --libs minnow) -o hello && ./hello [PACKS_FOLDER [TEXT]] */
#include <minnow.h>
#include <stdio.h>
#include <string.h>

static int fail(const mn_error *err) {
  fprintf(stderr, "hello: %s: %s\n", err->where, err->text);
  return 1;
}

int main(int argc, char **argv) {
  mn_error err = {0};
  mn_engine *mn = NULL;
  mn_outcome *out = NULL;
  mn_engine_options options;
  mn_engine_options_init(&options);
  if (argc > 1) options.packs_dir = argv[1];
  if (mn_engine_open(&mn, &options, &err)) return fail(&err);

  mn_request request;
  mn_request_init(&request);
  request.text = argc > 2 ? argv[2] : "wake me at 7 and text Emma good night";
  if (mn_do(mn, &request, &out, &err)) {
    mn_engine_close(mn);
    return fail(&err);
  }
  printf("%s (%s)\n", mn_outcome_decision(out), mn_outcome_reason(out));
  for (size_t i = 0; i < mn_outcome_actions(out); i++) {
    mn_action action = mn_outcome_action(out, i);
    printf("%s %s %s\n", action.pack, action.name, action.arguments);
  }
  if (strlen(mn_outcome_text(out)) > 0) printf("%s\n", mn_outcome_text(out));
  mn_outcome_free(out);
  mn_engine_close(mn);
  return 0;
}
