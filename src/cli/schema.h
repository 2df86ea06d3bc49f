/* cli/schema: the sub-commands of minnow schema that lie in files of their own. */
#ifndef CLI_SCHEMA_H
#define CLI_SCHEMA_H

int cli_schema_explain(int argc, char **argv);
int cli_schema_bench(int argc, char **argv);

#endif
