/* The tables: every option, every command. Data only; parsing, help and gen_docs read it. ASCII only, for the manual's sake. */
#include "capture_name.h"
#include "command.h"
#include "setup_plan.h"

/* --- values -------------------------------------------------------------------------------------------------------------------- */

static const cli_choice log_levels[] = {{"DEBUG", NULL, QL_LOG_DEBUG}, {"INFO", NULL, QL_LOG_INFO}, {"WARNING", NULL, QL_LOG_WARNING},
                                        {"ERROR", NULL, QL_LOG_ERROR}, {"CRITICAL", "as ERROR", QL_LOG_ERROR}, {NULL, NULL, 0}};
static const cli_choice precisions[] = {{"auto", "what suits the processor", 0}, {"fp32", NULL, 0}, {"bf16", NULL, 0}, {"int8", "fastest, on AVX-512 VNNI", 0}, {NULL, NULL, 0}};
static const cli_choice colors[] = {{"auto", "on a terminal", CLI_COLOR_AUTO}, {"always", NULL, CLI_COLOR_ALWAYS}, {"never", NULL, CLI_COLOR_NEVER}, {NULL, NULL, 0}};
static const cli_choice source_types[] = {{"git", NULL, 0}, {"localfile", NULL, 0}, {NULL, NULL, 0}};
static const cli_choice modes[] = {{"hybrid", "meaning and words", QL_SEARCH_HYBRID}, {"dense", "meaning", QL_SEARCH_DENSE},
                                   {"sparse", "words", QL_SEARCH_SPARSE}, {NULL, NULL, 0}};
static const cli_choice formats[] = {{"text", "for people", 0}, {"json", "for programs", 0}, {"md", "Markdown, for models", 0}, {NULL, NULL, 0}};
static const cli_choice config_formats[] = {{"json", NULL, 0}, {"yaml", NULL, 0}, {NULL, NULL, 0}};
static const cli_choice project_formats[] = {{"table", NULL, 0}, {"json", NULL, 0}, {NULL, NULL, 0}};
static const cli_choice progress_forms[] = {{"auto", "a line that moves on a terminal, plain lines elsewhere", CLI_PROGRESS_AUTO}, {"plain", NULL, CLI_PROGRESS_PLAIN},
                                            {"none", NULL, CLI_PROGRESS_NONE}, {"json", "stderr is a JSON object a line", CLI_PROGRESS_JSON}, {NULL, NULL, 0}};
static const cli_choice setup_modes[] = {{"default", NULL, SETUP_DEFAULT}, {"normal", "also asks for branches, file types and more sources", SETUP_NORMAL},
                                         {"advanced", "also for projects and chunk sizes", SETUP_ADVANCED}, {NULL, NULL, 0}};

static const cli_choice sample_kinds[] = {{"auto", "processor time, or what there is", QL_CAPTURE_AUTO}, {"cpu", "processor time", QL_CAPTURE_CPU}, {"wall", "time that passed", QL_CAPTURE_WALL},
                                          {"contention", "waiting for locks, queues and pools", QL_CAPTURE_CONTENTION}, {"heap", "memory in use", QL_CAPTURE_HEAP}, {NULL, NULL, 0}};
static const cli_choice sorts[] = {{"cum", "with what it calls", QL_CAPTURE_BY_CUMULATIVE}, {"self", "its own", QL_CAPTURE_BY_SELF}, {"calls", "samples that have it", QL_CAPTURE_BY_CALLS}, {NULL, NULL, 0}};
static const cli_choice groups[] = {{"function", NULL, QL_CAPTURE_GROUP_FUNCTION}, {"line", NULL, QL_CAPTURE_GROUP_LINE}, {"file", NULL, QL_CAPTURE_GROUP_FILE},
                                    {"module", "program or library", QL_CAPTURE_GROUP_MODULE}, {NULL, NULL, 0}};
static const cli_choice heap_groups[] = {{"line", NULL, QL_CAPTURE_GROUP_LINE}, {"file", NULL, QL_CAPTURE_GROUP_FILE}, {"stack", NULL, QL_CAPTURE_GROUP_STACK}, {NULL, NULL, 0}};
static const cli_choice report_formats[] = {{"md", "Markdown", 0}, {"json", NULL, 0}, {NULL, NULL, 0}};
static const cli_choice capture_formats[] = {{"pprof", "for go tool pprof (*.pb.gz)", QL_CAPTURE_PPROF}, {"pstats", "for pstats and snakeviz", QL_CAPTURE_PSTATS},
                                             {"speedscope", NULL, QL_CAPTURE_SPEEDSCOPE}, {"collapsed", "a stack a line", QL_CAPTURE_COLLAPSED},
                                             {"flame", "an SVG", QL_CAPTURE_FLAME_SVG}, {"trace", "for Chrome's trace viewer", QL_CAPTURE_TRACE},
                                             {"mprof", "memory, for mprof plot", QL_CAPTURE_MPROF}, {"html", "a page for a browser", QL_CAPTURE_HTML}, {"json", "everything", QL_CAPTURE_JSON},
                                             {"all", "all of these and pictures, into a folder", CAPTURE_ALL}, {NULL, NULL, 0}};

static const cli_value dir = {.placeholder = "DIR", .kind = CLI_DIR};
static const cli_value file = {.placeholder = "FILE", .kind = CLI_FILE};
static const cli_value two_files = {.placeholder = "BEFORE AFTER", .kind = CLI_FILE};
static const cli_value place = {.placeholder = "PLACE", .kind = CLI_PLACE};
static const cli_value project = {.placeholder = "ID", .kind = CLI_PROJECT};
static const cli_value name = {.placeholder = "NAME", .kind = CLI_TEXT};
static const cli_value prefix = {.placeholder = "PREFIX", .kind = CLI_TEXT};
static const cli_value when = {.placeholder = "WHEN", .kind = CLI_TEXT};
static const cli_value log_level = {.placeholder = "LEVEL", .kind = CLI_CHOICE, .choices = log_levels, .preset = 2};
static const cli_value precision = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = precisions};
static const cli_value color = {.placeholder = "WHEN", .kind = CLI_CHOICE, .choices = colors};
static const cli_value source_type = {.placeholder = "TYPE", .kind = CLI_HINT, .choices = source_types};
static const cli_value mode = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = modes};
static const cli_value format = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = formats};
static const cli_value config_format = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = config_formats};
static const cli_value project_format = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = project_formats};
static const cli_value progress = {.placeholder = "HOW", .kind = CLI_CHOICE, .choices = progress_forms};
static const cli_value setup_mode_name = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = setup_modes};
static const cli_value dirs = {.placeholder = "DIR", .kind = CLI_DIR, .repeats = true};
static const cli_value repositories = {.placeholder = "URL", .kind = CLI_PLACE, .repeats = true};
static const cli_value profile_dir = {.placeholder = "DIR", .kind = CLI_DIR, .optional = true};
static const cli_value sample_kind = {.placeholder = "KIND", .kind = CLI_CHOICE, .choices = sample_kinds};
static const cli_value sort = {.placeholder = "BY", .kind = CLI_CHOICE, .choices = sorts};
static const cli_value group = {.placeholder = "BY", .kind = CLI_CHOICE, .choices = groups};
static const cli_value heap_group = {.placeholder = "BY", .kind = CLI_CHOICE, .choices = heap_groups};
static const cli_value capture_format = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = capture_formats};
static const cli_value report_format = {.placeholder = "NAME", .kind = CLI_CHOICE, .choices = report_formats};
static const cli_value rows = {.placeholder = "N", .kind = CLI_NUMBER, .preset = 25, .min = 0, .max = 1000000};
static const cli_value threads = {.placeholder = "N", .kind = CLI_NUMBER, .min = 1, .max = 256};
static const cli_value limit = {.placeholder = "N", .kind = CLI_NUMBER, .preset = 5, .min = 1, .max = 1000};
static const cli_value port = {.placeholder = "PORT", .kind = CLI_NUMBER, .min = 0, .max = 65535};
static const cli_value address = {.placeholder = "ADDRESS", .kind = CLI_TEXT};
static const cli_value runs = {.placeholder = "N", .kind = CLI_NUMBER, .preset = 10, .min = 1, .max = 10000};
static const cli_value warmup = {.placeholder = "N", .kind = CLI_NUMBER, .preset = 1, .min = 0, .max = 10000};
static const cli_value percent = {.placeholder = "PERCENT", .kind = CLI_NUMBER, .min = 0, .max = 1000};
static const cli_value least = {.placeholder = "PERCENT", .kind = CLI_NUMBER, .preset = 2, .min = 0, .max = 100};
static const cli_value confidence = {.placeholder = "PERCENT", .kind = CLI_NUMBER, .preset = 95, .min = 50, .max = 99};
static const cli_value measures = {.placeholder = "NAME", .kind = CLI_TEXT, .repeats = true};
static const cli_value variables = {.placeholder = "NAME=VALUE", .kind = CLI_TEXT, .repeats = true};
static const cli_value only = {.placeholder = "NAME", .kind = CLI_TEXT, .repeats = true};
static const cli_value requests = {.placeholder = "N", .kind = CLI_NUMBER, .preset = 100, .min = 1, .max = 1000000};
static const cli_value concurrency = {.placeholder = "N", .kind = CLI_NUMBER, .preset = 1, .min = 1, .max = 1000};
static const cli_value timeout = {.placeholder = "SECONDS", .kind = CLI_NUMBER, .preset = 30, .min = 1, .max = 3600};
static const cli_value program_word = {.placeholder = "PROGRAM", .kind = CLI_PLACE};
static const cli_value rate = {.placeholder = "HZ", .kind = CLI_NUMBER, .preset = 99, .min = 1, .max = 1000};
static const cli_value seconds = {.placeholder = "N", .kind = CLI_NUMBER, .preset = 0, .min = 0, .max = 86400};
static const cli_value process = {.placeholder = "PID", .kind = CLI_TEXT};
static const cli_value process_or_program = {.placeholder = "PID|PROGRAM", .kind = CLI_PLACE};
static const cli_value url = {.placeholder = "URL", .kind = CLI_TEXT};
static const cli_value size = {.placeholder = "SIZE", .kind = CLI_TEXT};
static const cli_value question = {.placeholder = "QUESTION", .kind = CLI_TEXT};
static const cli_value command = {.placeholder = "COMMAND", .kind = CLI_COMMAND};

/* --- options ------------------------------------------------------------------------------------------------------------------- */

const cli_option cli_options[] = {
    {OPT_HELP, "help", 'h', NULL, "show help"},
    {OPT_VERSION, "version", 'V', NULL, "print the version"},
    {OPT_WORKSPACE, "workspace", 'w', &dir, "folder with config.yaml, .env and data/ (default: the current one)"},
    {OPT_CONFIG, "config", 'c', &file, "a configuration file outside a workspace"},
    {OPT_ENV, "env", 0, &file, "a .env file; its values go before the environment's"},
    {OPT_LENIENT, "lenient", 0, NULL, "unknown keys in the configuration are warnings"},
    {OPT_LOG_LEVEL, "log-level", 0, &log_level, "messages on stderr, from this level on; INFO with --verbose"},
    {OPT_THREADS, "threads", 0, &threads, "threads to use instead of one per core"},
    {OPT_PRECISION, "precision", 0, &precision, "arithmetic of the model"},
    {OPT_JSON, "json", 0, NULL, "print JSON on stdout"},
    {OPT_QUIET, "quiet", 'q', NULL, "no progress, no summary"},
    {OPT_VERBOSE, "verbose", 'v', NULL, "name every document that is added, changed, deleted or skipped"},
    {OPT_COLOR, "color", 0, &color, "colors"},
    {OPT_FORCE, "force", 0, NULL, "do it again from scratch"},
    {OPT_DRY_RUN, "dry-run", 'n', NULL, "list and compare only; tell what would be done"},
    {OPT_PROFILE, "profile", 0, &profile_dir, "capture where time and memory go: capture.qprof and profile.out in the current folder; with DIR the report, flame graph, pprof and all other files there"},
    {OPT_NO_PROFILE, "no-profile", 0, NULL, "the default; accepted for scripts"},
    {OPT_RESUME, "resume", 0, NULL, "the default: every run goes on from what was committed"},
    {OPT_NO_RESUME, "no-resume", 0, NULL, "accepted for scripts; what is committed is never done twice, see --force"},
    {OPT_PROJECT, "project", 'p', &project, "only this project"},
    {OPT_PROJECT_ID, "project-id", 0, &project, "only this project"},
    {OPT_SOURCE_TYPE, "source-type", 't', &source_type, "only sources of this type"},
    {OPT_SOURCE, "source", 's', &name, "only the source of this name"},
    {OPT_LIMIT, "limit", 'l', &limit, "hits wanted"},
    {OPT_PATH, "path", 0, &prefix, "only documents whose path within the source (docs/) or url (file:///srv/docs/) begins so"},
    {OPT_SINCE, "since", 0, &when, "only documents changed since: 2026-01-31, 2026-01-31T12:00:00+01:00, or 7d, 12h, 2w ago"},
    {OPT_MODE, "mode", 0, &mode, "what is compared"},
    {OPT_PRUNE, "prune", 0, NULL, "delete documents of sources that are not configured any more"},
    {OPT_MEM, "mem", 0, &size, "memory this process may take, as 256M or 2G; what is mapped from files does not count, and about 60M and 3M a thread are the least. A document that would take more than is left fails"},
    {OPT_PULL, "pull", 0, NULL, "bring the embedding model first if it is not on this machine; at a terminal that is the default"},
    {OPT_PULL_FROM, "pull-from", 0, &place, "the same, from this folder, file, wheel, zip or URL"},
    {OPT_FORMAT, "format", 'f', &format, "how hits are printed"},
    {OPT_CONFIG_FORMAT, "format", 'f', &config_format, "how the configuration is printed"},
    {OPT_PROJECT_FORMAT, "format", 'f', &project_format, "how projects are printed"},
    {OPT_EXPLAIN, "explain", 'x', NULL, "tell why each hit is there"},
    {OPT_FULL, "full", 0, NULL, "print whole passages"},
    {OPT_FROM, "from", 0, &place, "folder, file, wheel, zip or URL"},
    {OPT_TO, "to", 0, &dir, "folder that receives the model (default: the user's data folder)"},
    {OPT_PROGRESS, "progress", 0, &progress, "how progress is told on stderr"},
    {OPT_VERIFY, "verify", 0, NULL, "read model and index as a whole and compare them with their hashes and checksums"},
    {OPT_NETWORK, "network", 0, NULL, "ask the sources that lie elsewhere whether they answer"},
    {OPT_PLACE, "workspace", 'w', &dir, "folder that becomes the workspace (default: workspace)"},
    {OPT_OUTPUT_DIR, "output-dir", 0, &dir, "the same as --workspace"},
    {OPT_SETUP_MODE, "mode", 0, &setup_mode_name, "how much is asked, and how much config.yaml explains"},
    {OPT_LOCALFILE, "localfile", 0, &dirs, "a folder to index; may be repeated"},
    {OPT_GIT, "git", 0, &repositories, "a git repository to index: https, ssh, user@host:path or a folder; may be repeated"},
    {OPT_SETUP_PROJECT, "project", 'p', &name, "put the sources into a project of this name"},
    {OPT_NON_INTERACTIVE, "non-interactive", 0, NULL, "ask nothing; as when stdin or stderr is no terminal"},
    {OPT_OVERWRITE, "force", 0, NULL, "write over a config.yaml that is there; an .env that is there is only added to"},
    {OPT_METRICS_PORT, "metrics-port", 0, &port, "serve metrics for Prometheus while it runs, on this port; 0: one that is free"},
    {OPT_METRICS_ADDRESS, "metrics-address", 0, &address, "IPv4 or IPv6 address for --metrics-port (default: 127.0.0.1)"},
    {OPT_DEBUG_HTTP, "debug-http", 0, NULL, "serve profiles of the process under /debug/pprof/ too; needs --metrics-port on a loopback address, and a token"},
    {OPT_RUNS, "runs", 'n', &runs, "how often it is measured"},
    {OPT_WARMUP, "warmup", 0, &warmup, "how often it is done before that, without being measured"},
    {OPT_NAME, "name", 0, &name, "what the result is called"},
    {OPT_OUTPUT, "output", 'o', &file, "keep the result in this file, for bench compare"},
    {OPT_FAIL_ABOVE, "fail-above", 0, &percent, "exit with 1 where a measure is worse by more than this, or may be: not shown to be no worse"},
    {OPT_MEASURE, "measure", 'm', &measures, "only this measure; may be repeated"},
    {OPT_CONFIDENCE, "confidence", 0, &confidence, "level of the intervals"},
    {OPT_LEAST, "least", 0, &least, "a difference below this is too small to be called better or worse"},
    {OPT_COLLECTION, "collection", 0, &file, "send the requests of this file (Postman Collection 2.1)"},
    {OPT_VARIABLE, "variable", 0, &variables, "a value for {{NAME}} in the collection; may be repeated"},
    {OPT_ONLY, "only", 0, &only, "only requests of the collection whose folder or name is this, such as 'Qdrant' or 'Qdrant / scroll'; may be repeated"},
    {OPT_REQUESTS, "requests", 'n', &requests, "how often each request is sent"},
    {OPT_CONCURRENCY, "concurrency", 0, &concurrency, "requests under way at a time"},
    {OPT_TIMEOUT, "timeout", 0, &timeout, "a request that takes longer has failed"},
    {OPT_NO_KEEP_ALIVE, "no-keep-alive", 0, NULL, "a connection of its own for each request"},
    {OPT_QUESTIONS, "questions", 0, &file, "ask the lines of this file, too"},
    {OPT_COLD, "cold", 0, NULL, "open everything anew for each search, after dropping the index from the page cache"},
    {OPT_KIND, "kind", 'k', &sample_kind, "which samples"},
    {OPT_SORT, "sort", 's', &sort, "largest first"},
    {OPT_GROUP, "group", 'g', &group, "what a row is"},
    {OPT_HEAP_GROUP, "group", 'g', &heap_group, "what a row is"},
    {OPT_ROWS, "limit", 'l', &rows, "rows wanted; 0: all"},
    {OPT_INUSE, "inuse", 0, NULL, "the default: what was not freed when the capture ended"},
    {OPT_ALLOC, "alloc", 0, NULL, "all that was allocated"},
    {OPT_PEAK, "peak", 0, NULL, "what was in use when most was"},
    {OPT_LEAK, "leak", 0, NULL, "what was not freed and is older than the last tenth of the run"},
    {OPT_RECORDING, "output", 'o', &file, "file that is written; the end of its name says what"},
    {OPT_WRITE, "output", 'o', &file, "file that is written; '-' is standard output"},
    {OPT_SVG, "svg", 0, &file, "write a flame graph of the change instead; '-' is standard output"},
    {OPT_CAPTURE_FORMAT, "to", 't', &capture_format, "what the capture becomes"},
    {OPT_REPORT_FORMAT, "format", 'f', &report_format, "how the report is written"},
    {OPT_NO_SYMBOLS, "no-symbols", 0, NULL, "open no other file than the capture: functions are called by their library"},
    {OPT_HTML, "html", 0, &file, "write the page to this file instead; '-' is standard output"},
    {OPT_DIFF, "diff", 0, &file, "also show what changed since this capture"},
    {OPT_VIEW_PORT, "port", 0, &port, "where it is served on 127.0.0.1; 0, the default: a port that is free"},
    {OPT_NO_OPEN, "no-open", 0, NULL, "only tell the address; open no browser"},
    {OPT_RATE, "rate", 'r', &rate, "samples a second of processor time of each thread"},
    {OPT_PASSIVE, "passive", 0, NULL, "sample nothing: only what the process shows by itself"},
    {OPT_SECONDS, "seconds", 0, &seconds, "for how long; 0: until Ctrl-C or the end of the process"},
    {OPT_WALL, "wall", 0, NULL, "sample all threads as time passes, waiting ones too, instead of processor time"},
    {OPT_COUNT, NULL, 0, NULL, NULL},
};

/* --- commands ------------------------------------------------------------------------------------------------------------------ */

static const cli_option_id common[] = {OPT_WORKSPACE, OPT_CONFIG, OPT_ENV, OPT_LENIENT, OPT_LOG_LEVEL, OPT_THREADS,
                                       OPT_JSON, OPT_QUIET, OPT_VERBOSE, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id model_common[] = {OPT_WORKSPACE, OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id setup_common[] = {OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id doctor_common[] = {OPT_WORKSPACE, OPT_CONFIG, OPT_ENV, OPT_LENIENT, OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id bench_common[] = {OPT_NAME, OPT_OUTPUT, OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id compare_common[] = {OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id prof_common[] = {OPT_NO_SYMBOLS, OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id top_options[] = {OPT_KIND, OPT_SORT, OPT_GROUP, OPT_ROWS, OPT_COUNT};
static const cli_option_id heap_options[] = {OPT_INUSE, OPT_ALLOC, OPT_PEAK, OPT_LEAK, OPT_HEAP_GROUP, OPT_ROWS, OPT_COUNT};
static const cli_option_id plot_options[] = {OPT_WRITE, OPT_COUNT};
static const cli_option_id diff_options[] = {OPT_KIND, OPT_GROUP, OPT_ROWS, OPT_SVG, OPT_COUNT};
static const cli_option_id report_options[] = {OPT_REPORT_FORMAT, OPT_WRITE, OPT_COUNT};
static const cli_option_id convert_options[] = {OPT_CAPTURE_FORMAT, OPT_KIND, OPT_WRITE, OPT_COUNT};
static const cli_option_id view_options[] = {OPT_HTML, OPT_DIFF, OPT_VIEW_PORT, OPT_NO_OPEN, OPT_COUNT};
static const cli_option_id live_common[] = {OPT_JSON, OPT_QUIET, OPT_COLOR, OPT_HELP, OPT_COUNT};
static const cli_option_id live_top_options[] = {OPT_RATE, OPT_PASSIVE, OPT_COUNT};
static const cli_option_id record_options[] = {OPT_RECORDING, OPT_RATE, OPT_WALL, OPT_SECONDS, OPT_COUNT};
static const cli_option_id help_common[] = {OPT_HELP, OPT_COUNT};
static const cli_option_id no_options[] = {OPT_COUNT};
static const cli_option_id program_options[] = {OPT_VERSION, OPT_HELP, OPT_COUNT};

static const cli_option_id setup_options[] = {OPT_PLACE, OPT_OUTPUT_DIR, OPT_SETUP_MODE, OPT_LOCALFILE, OPT_GIT, OPT_SETUP_PROJECT, OPT_NON_INTERACTIVE, OPT_OVERWRITE, OPT_COUNT};
static const cli_option_id init_options[] = {OPT_FORCE, OPT_PULL, OPT_PULL_FROM, OPT_COUNT};
static const cli_option_id ingest_options[] = {OPT_PROJECT, OPT_SOURCE_TYPE, OPT_SOURCE, OPT_FORCE, OPT_PRUNE, OPT_DRY_RUN, OPT_PULL, OPT_PULL_FROM,
                                               OPT_PRECISION, OPT_MEM, OPT_PROFILE, OPT_NO_PROFILE, OPT_METRICS_PORT, OPT_METRICS_ADDRESS, OPT_DEBUG_HTTP, OPT_RESUME, OPT_NO_RESUME, OPT_PROGRESS, OPT_COUNT};
static const cli_option_id search_options[] = {OPT_LIMIT, OPT_PROJECT, OPT_SOURCE_TYPE, OPT_SOURCE, OPT_PATH, OPT_SINCE, OPT_MODE,
                                               OPT_FORMAT, OPT_EXPLAIN, OPT_FULL, OPT_PRECISION, OPT_PROFILE, OPT_COUNT};
static const cli_option_id config_options[] = {OPT_CONFIG_FORMAT, OPT_COUNT};
static const cli_option_id project_list_options[] = {OPT_PROJECT_FORMAT, OPT_COUNT};
static const cli_option_id project_options[] = {OPT_PROJECT_ID, OPT_PROJECT_FORMAT, OPT_COUNT};
static const cli_option_id doctor_options[] = {OPT_VERIFY, OPT_NETWORK, OPT_COUNT};
static const cli_option_id bench_run_options[] = {OPT_RUNS, OPT_WARMUP, OPT_COUNT};
static const cli_option_id bench_compare_options[] = {OPT_MEASURE, OPT_CONFIDENCE, OPT_LEAST, OPT_FAIL_ABOVE, OPT_COUNT};
static const cli_option_id bench_http_options[] = {OPT_COLLECTION, OPT_VARIABLE, OPT_ONLY, OPT_REQUESTS, OPT_CONCURRENCY, OPT_WARMUP, OPT_TIMEOUT, OPT_NO_KEEP_ALIVE, OPT_COUNT};
static const cli_option_id bench_ingest_options[] = {OPT_RUNS, OPT_WARMUP, OPT_PRECISION, OPT_NAME, OPT_OUTPUT, OPT_COUNT};
static const cli_option_id bench_search_options[] = {OPT_RUNS, OPT_WARMUP, OPT_QUESTIONS, OPT_COLD, OPT_LIMIT, OPT_MODE, OPT_PRECISION, OPT_NAME, OPT_OUTPUT, OPT_COUNT};
static const cli_option_id pull_options[] = {OPT_FROM, OPT_TO, OPT_COUNT};

const cli_command cli_program = {
    "", &command, 1, 1, "ingests documents and answers questions about them",
    "Turns documents (local folders and git repositories: Markdown, HTML, source code, JSON, text) into a search index, and answers questions\n"
    "from it with passages and their sources. Embeddings are computed on this machine; the index is a folder.\n"
    "A workspace is a folder with a config.yaml; commands use the current folder, or the one that --workspace names.",
    "  qloader setup     # make a workspace\n"
    "  qloader init      # make the index of the workspace in this folder\n"
    "  qloader ingest    # bring it up to date with every configured source\n"
    "  qloader search \"how do I undo a commit?\"\n",
    program_options, no_options, NULL};

const cli_command cli_commands[] = {
    {"setup", NULL, 0, 0, "make a workspace: config.yaml, .env for tokens",
     "Asks a few questions on a terminal; elsewhere, or with --non-interactive, takes what the options say. Without a source the workspace\n"
     "gets a folder docs/. Writes config.yaml with comments, and for repositories over http(s) a private .env with a place for the token. What is\n"
     "written is opened before it is put in place; nothing that is there is overwritten without --force, and nothing is left behind when\n"
     "the questions are broken off.",
     "  qloader setup\n  qloader setup --workspace ~/kb --localfile ~/notes --git https://example.com/org/handbook.git\n"
     "  qloader setup --non-interactive --mode advanced --project handbook --localfile docs --json\n", setup_options, setup_common, cmd_setup},
    {"init", NULL, 0, 0, "make the index of a workspace",
     "Checks the configuration and makes the index if there is none. An index that is there stays as it is;\n"
     "--force drops every document in it first.",
     "  qloader init --workspace ~/kb\n  qloader init --force\n", init_options, common, cmd_init},
    {"ingest", NULL, 0, 0, "bring the index up to date with its sources",
     "Lists every configured source, reads what is new or changed, and adds, replaces and deletes whole documents.\n"
     "Ctrl-C stops cleanly: what was stored stays, the next run goes on from there.\n"
     "--profile writes capture.qprof, for the commands of prof, and profile.out, for pstats and snakeviz. --profile=DIR writes every format into DIR, which is\n"
     "made: report.md (begin there), report.json, profile.html, flame.svg, memory.png and .svg, trace.json, *.pb.gz for pprof, *.speedscope.json, cpu.collapsed, mprofile_*.dat.\n"
     "DIR holds one profile: what an earlier run left there is removed when the next one begins to work, so not when that is refused (no index,\n"
     "another ingest), and a second run at the same time is refused (exit code 6). A place that cannot be written is told before anything is done (exit code 7).",
     "  qloader ingest\n  qloader ingest --source-type git --source handbook\n  qloader ingest --dry-run --verbose\n"
     "  qloader ingest --json --progress json 2>progress.jsonl\n"
     "  qloader ingest --profile=profile && less profile/report.md\n"
     "  qloader ingest --metrics-port 8001\n", ingest_options, common, cmd_ingest},
    {"search", &question, 1, CLI_NO_LIMIT, "ask the index",
     "Finds the passages that answer a question, by meaning and by words. Several words need no quotes; '-' reads the question from stdin.\n"
     "--path takes names as results show them: where one holds a control character, the url or the title.",
     "  qloader search \"how do I undo the last commit?\"\n  qloader search --path docs/ --limit 3 --format md retry policy\n"
     "  qloader search --json --explain 'ssh key' | jq .hits[0].url\n",
     search_options, common, cmd_search},
    {"config", NULL, 0, 0, "print the effective configuration, secrets masked", NULL,
     "  qloader config --format yaml\n", config_options, common, cmd_config},
    {"project list", NULL, 0, 0, "list the configured projects", NULL, NULL, project_list_options, common, cmd_project_list},
    {"project status", NULL, 0, 0, "tell how many documents each project has", NULL, NULL, project_options, common, cmd_project_status},
    {"project validate", NULL, 0, 0, "check that every source can be opened", "Opens each folder and local repository; nothing is asked over the network. Exit codes: 4 a place is missing, 9 a type is not in this build.", NULL, project_options, common, cmd_project_validate},
    {"model list", NULL, 0, 0, "list known and installed embedding models", NULL, NULL, no_options, model_common, cmd_model_list},
    {"model pull", &name, 0, 1, "bring an embedding model to this machine",
     "Without --from the address known for the model is used. Every file of a model that this build knows is checked\n"
     "against its pinned SHA-256. Under any other name --from brings what is there, unchecked, with a warning.",
     "  qloader model pull\n  qloader model pull --from ./all-MiniLM-L6-v2\n", pull_options, model_common, cmd_model_pull},
    {"model info", &name, 0, 1, "facts of a model", NULL, NULL, no_options, model_common, cmd_model_info},
    {"model verify", &name, 0, 1, "check a model's files against their hashes", NULL, NULL, no_options, model_common, cmd_model_verify},
    {"doctor", NULL, 0, 0, "check everything a workspace needs",
     "Looks at machine, libraries, model, configuration, index, permissions, disk and clock, and says of each thing that is wrong why it\n"
     "matters and what mends it. Nothing is changed, and nothing is asked over the network without --network. --quiet shows only what is wrong.\n"
     "Exit codes: 0 nothing fails (there may be warnings), 1 something does.",
     "  qloader doctor --workspace ~/kb\n  qloader doctor --verify --network --json | jq '.checks[] | select(.status == \"fail\")'\n", doctor_options, doctor_common, cmd_doctor},
    {"bench run", &program_word, 1, CLI_NO_LIMIT, "measure a program, run after run",
     "Runs it again and again and tells time, processor time, peak memory and what was read and written, by the kernel's numbers. Its output is\n"
     "dropped. A command of qloader with --json also tells its own time, and its stages where it has --profile. The first run that fails ends it.",
     "  qloader bench run -n 20 --output before.json -- qloader ingest --force --json --profile --workspace ~/kb\n  qloader bench run -n 5 -- tar cf /dev/null /usr/share/doc\n",
     bench_run_options, bench_common, cmd_bench_run},
    {"bench compare", &two_files, 2, 2, "tell whether two results differ by more than noise",
     "Compares every measure that both files have: the ratio of the means, with its interval (Fieller's theorem). Better or worse is what lies beyond\n"
     "the interval and beyond --least, and beyond what the values of one file changed by while they were measured. Where other work on the machine\n"
     "used more of its processors for one than for the other, times are not comparable. Measure both on the same quiet machine, at best by turns.\n"
     "Exit codes: 0, or 1 where --fail-above says so: where the ratio is beyond it, and is worse, or drifts or is not comparable. It makes --least no larger than itself.",
     "  qloader bench compare before.json after.json\n  qloader bench compare --measure wall --fail-above 5 main.json branch.json\n", bench_compare_options, compare_common, cmd_bench_compare},
    {"bench http", &url, 0, CLI_NO_LIMIT, "measure how long an HTTP server takes to answer",
     "Sends GET requests to the addresses, or the requests of a collection, by turns, and tells rate, errors and percentiles. The next request begins when one\n"
     "has been answered, so a server that stalls is asked less meanwhile. docs/bench has a collection for Qdrant, MCP and metrics.\n"
     "Exit codes: 0, or 5 where requests failed or were answered by 400 and more.",
     "  qloader bench http http://127.0.0.1:6333/collections\n  qloader bench http --collection qloader.postman_collection.json --only Qdrant --variable qdrant=http://127.0.0.1:6333 --concurrency 8 -n 1000\n",
     bench_http_options, bench_common, cmd_bench_http},
    {"bench ingest", NULL, 0, 0, "measure ingests of a workspace into a scratch index",
     "Each run ingests every source into an empty index beside the workspace's own, which is left alone, and then once more where nothing has changed.\n"
     "The files are in the page cache after the warm-up; git repositories elsewhere are fetched anew for each run.",
     "  qloader bench ingest -n 5 --workspace ~/kb\n  qloader bench ingest --threads 1 --output one.json\n", bench_ingest_options, common, cmd_bench_ingest},
    {"bench search", &question, 0, CLI_NO_LIMIT, "measure searches in a workspace",
     "Asks each question, by turns, and tells time and stages of a search. Each word behind the options is a question: put those of several words in quotes.\n"
     "Without --cold everything is open and in memory, as in a server. A stage that is indented is a part of the one above it.",
     "  qloader bench search -n 100 \"how do I undo a commit?\" \"ssh key\"\n  qloader bench search --questions questions.txt --cold -n 3\n", bench_search_options, common, cmd_bench_search},
    {"prof top", &file, 0, 1, "functions of a capture by their time",
     "FILE is the capture.qprof of a profiled run (default: the one in this folder). SELF is a function's own time, CUMULATIVE includes what it calls.",
     "  qloader prof top profile/capture.qprof\n  qloader prof top --sort self --group line --kind wall capture.qprof\n", top_options, prof_common, cmd_prof_top},
    {"prof view", &file, 0, 1, "look at a capture in a browser",
     "Tables, flame graphs, timeline, memory, tasks, statements and requests, as one page that needs no network and no other program. It is served until Ctrl-C at an address that\n"
     "holds a secret, or written with --html. Where other users of the machine must not see it, take --no-open: the browser's command line is theirs to see. Keys: ? in the page.",
     "  qloader prof view profile/capture.qprof\n  qloader prof view --no-open --port 8080 capture.qprof\n  qloader prof view after.qprof --diff before.qprof --html profile.html\n", view_options, prof_common, cmd_prof_view},
    {"prof heap", &file, 0, 1, "places of a capture that allocate memory",
     "Each place with its size, count and average, as estimated from samples. --leak shows what nobody freed though it is old.",
     "  qloader prof heap capture.qprof\n  qloader prof heap --leak --group stack capture.qprof\n", heap_options, prof_common, cmd_prof_heap},
    {"prof plot", &file, 0, 1, "draw memory over time",
     "With the stages of the run and the peak. Without --output: memory.png.", "  qloader prof plot --output memory.svg capture.qprof\n", plot_options, prof_common, cmd_prof_plot},
    {"prof diff", &two_files, 2, 2, "compare two captures", "The first is before, the second after. Rows with the largest change of a function's own part come first.",
     "  qloader prof diff before.qprof after.qprof\n  qloader prof diff before.qprof after.qprof --svg flame-diff.svg\n", diff_options, prof_common, cmd_prof_diff},
    {"prof convert", &file, 0, 1, "write a capture in the format of another tool", "Without --output it goes to standard output; without --to the end of\n"
     "the file's name says the format, as with 'record'. 'all' takes --output as a folder and writes every format that the capture has something for.",
     "  qloader prof convert --to pprof --output cpu.pb.gz capture.qprof && go tool pprof -top cpu.pb.gz\n"
     "  qloader prof convert --output profile.out capture.qprof && snakeviz profile.out\n  qloader prof convert --to all --output profile/ capture.qprof\n", convert_options, prof_common, cmd_prof_convert},
    {"prof report", &file, 0, 1, "tell what takes time and memory, and what to do",
     "Looks for what usually goes wrong: a query in a loop, one text at a time through the model, a commit a row, tries again and again, waits for locks, calls that block, leaks.\n"
     "Each finding says how sure it is and what shows it. Without --output it goes to standard output.",
     "  qloader prof report capture.qprof\n  qloader prof report --format json capture.qprof | jq .findings[0]\n", report_options, prof_common, cmd_prof_report},
    {"top", &process, 1, 1, "watch a running process",
     "Functions by processor time, stages with their rates, queues, threads, memory and disk of a process that shows itself, as 'qloader ingest' does.\n"
     "Keys: s other order, p pause, + and - rate, q quit. Elsewhere than on a terminal: one table, after two seconds. The process samples while this runs and\n"
     "a few seconds longer at most.",
     "  qloader top 4242\n  qloader top --passive --json 4242\n", live_top_options, live_common, cmd_top},
    {"record", &process_or_program, 1, CLI_NO_LIMIT, "record a running process, or a program that it starts",
     "The file's name says what is written: .qprof everything (for qloader prof), .pb.gz pprof, .speedscope.json speedscope, .collapsed stacks a line, .svg a flame\n"
     "graph, .html the page, trace.json spans, .json everything, .out pstats, .dat mprof; another name is refused.\n"
     "A program must show itself, as 'qloader ingest' and 'qloader bench search' do; what it did before that is missing. After\n"
     "--seconds the file is written and the program goes on: the command ends with it. The exit code is the program's; 4 where that is 0 but it never showed itself.",
     "  qloader record --output flame.svg --seconds 10 4242\n  qloader record --output run.qprof -- qloader ingest --workspace ~/kb\n", record_options, live_common, cmd_record},
    {"dump", &process, 1, 1, "print the stacks and tasks of a running process",
     "Takes a fifth of a second, or two where a thread was not seen in it; waits that cannot go on by themselves (poll, sleep) are interrupted meanwhile (EINTR).",
     "  qloader dump 4242\n", no_options, live_common, cmd_dump},
    {"monitor", &process, 1, 3, "ask a running process: its tasks, where they are, to stop",
     "PID alone: how it is. PID ps: its tasks. PID where [TASK]: stacks of the threads that run a task. PID cancel: asks it to stop what it does. PID rate HZ: samples so often for a\n"
     "minute (0: no more). Tasks of an ingest are the documents that are under way, and the batches of them that are embedded or committed.",
     "  qloader monitor 4242 ps\n  qloader monitor 4242 where 3\n  qloader monitor 4242 cancel\n", no_options, live_common, cmd_monitor},
    {"help", &command, 0, 2, "tell about a command", "Without a command: lists the commands. 'qloader help exit-codes' lists the exit codes.",
     "  qloader help project list\n  qloader help exit-codes\n", no_options, help_common, cmd_help},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL},
};
