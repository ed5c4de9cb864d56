/* qloader init, config, project: the workspace and what is configured in it. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "exit_code.h"
#include "session.h"

/* --- init ---------------------------------------------------------------------------------------------------------------------- */

static void print_info(const cli *self, const ql_workspace *workspace, const char *verb)
{
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    if (ql_workspace_info_json((ql_workspace *)workspace, &json, &err) >= 0) {
        json_t *info = json_loads(ql_buf_cstr(&json), 0, NULL);
        printf("%s: %s store in %s\n", verb, json_string_value(json_object_get(info, "store")), json_string_value(json_object_get(info, "data_dir")));
        if (cli_has(self, OPT_VERBOSE)) printf("  %s\n", json_string_value(json_object_get(info, "store_reason")));
        if (json_integer_value(json_object_get(info, "dims")) > 0) /* an emptied index has no model yet */
            printf("model: %s, %lld dimensions\n", json_string_value(json_object_get(info, "model")), (long long)json_integer_value(json_object_get(info, "dims")));
        if (cli_has(self, OPT_VERBOSE)) printf("  %s\n", json_string_value(json_object_get(info, "embedder_reason")));
        json_decref(info);
    }
    ql_buf_dispose(&json);
}

int cmd_init(cli *self)
{
    cli_session session;
    int code = session_open(self, false, &session);
    if (code >= 0) return code;
    session_log_open(&session);
    ql_error err = {0};
    ql_status status = ql_workspace_init(session.workspace, cli_has(self, OPT_FORCE), &err);
    code = EXIT_OK;
    if (status < 0) code = cli_fail(self, status, &err);
    else if (cli_has(self, OPT_JSON)) {
        ql_buf json = QL_BUF_INIT;
        if (ql_workspace_info_json(session.workspace, &json, &err) >= 0) printf("%s\n", ql_buf_cstr(&json));
        ql_buf_dispose(&json);
    } else if (!cli_has(self, OPT_QUIET)) {
        print_info(self, session.workspace, cli_has(self, OPT_FORCE) ? "emptied" : "ready");
    }
    session_close(&session);
    return code;
}

/* --- config -------------------------------------------------------------------------------------------------------------------- */

static void print_json_indented(const char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    if (root == NULL || json_dumpf(root, stdout, JSON_INDENT(2)) != 0) printf("%s", text);
    printf("\n");
    json_decref(root);
}

int cmd_config(cli *self)
{
    const char *format = cli_has(self, OPT_FORMAT) ? self->values[OPT_FORMAT] : "json";
    if (strcmp(format, "json") != 0 && strcmp(format, "yaml") != 0) {
        fprintf(stderr, "error: --format '%s' is not json or yaml\n", format);
        return EXIT_USAGE;
    }
    cli_session session;
    int code = session_open(self, false, &session);
    if (code >= 0) return code;
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    ql_status status = ql_workspace_config(session.workspace, format, &out, &err);
    code = status < 0 ? cli_fail(self, status, &err) : EXIT_OK;
    if (status >= 0 && strcmp(format, "json") == 0) print_json_indented(ql_buf_cstr(&out));
    else if (status >= 0) printf("%s", ql_buf_cstr(&out));
    ql_buf_dispose(&out);
    session_close(&session);
    return code;
}

/* --- project ------------------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && text[0] != '\0' ? text : "-";
}

static void print_list(const json_t *projects)
{
    size_t i = 0;
    json_t *project = NULL;
    printf("%-20s %-28s %7s  %s\n", "PROJECT", "NAME", "SOURCES", "DESCRIPTION");
    json_array_foreach(projects, i, project)
        printf("%-20s %-28s %7lld  %s\n", text_of(project, "project_id"), text_of(project, "display_name"),
               (long long)json_integer_value(json_object_get(project, "source_count")), text_of(project, "description"));
}

static void print_status(const json_t *projects)
{
    size_t i = 0;
    json_t *project = NULL;
    printf("%-20s %9s %9s  %s\n", "PROJECT", "DOCUMENTS", "CHUNKS", "LAST COMPLETE INGEST");
    json_array_foreach(projects, i, project)
        printf("%-20s %9lld %9lld  %s\n", text_of(project, "project_id"), (long long)json_integer_value(json_object_get(project, "document_count")),
               (long long)json_integer_value(json_object_get(project, "chunk_count")), text_of(project, "latest_ingestion"));
}

static int print_validation(const json_t *projects, bool silent)
{
    size_t i = 0, s = 0;
    json_t *project = NULL, *source = NULL;
    bool valid = true;
    json_array_foreach(projects, i, project)
    {
        size_t good = 0, count = json_array_size(json_object_get(project, "sources"));
        json_array_foreach(json_object_get(project, "sources"), s, source) if (json_is_true(json_object_get(source, "supported"))) good++;
        valid = valid && good == count;
        if (silent) continue;
        printf("%s %s: %zu of %zu sources are of a type that this build reads\n", good == count ? "ok  " : "FAIL", text_of(project, "project_id"), good, count);
        json_array_foreach(json_object_get(project, "sources"), s, source)
        {
            if (json_is_true(json_object_get(source, "supported"))) continue;
            printf("     %s/%s: %s\n", text_of(source, "source_type"), text_of(source, "source"), text_of(source, "reason"));
        }
    }
    return valid ? EXIT_OK : EXIT_UNSUPPORTED;
}

static bool wants_json(const cli *self, bool *out)
{
    const char *format = cli_has(self, OPT_FORMAT) ? self->values[OPT_FORMAT] : "table";
    *out = cli_has(self, OPT_JSON) || strcmp(format, "json") == 0;
    if (*out || strcmp(format, "table") == 0) return true;
    fprintf(stderr, "error: --format '%s' is not table or json\n", format);
    return false;
}

typedef enum project_view { VIEW_LIST, VIEW_STATUS, VIEW_VALIDATE } project_view;

static int show_projects(cli *self, project_view view)
{
    bool as_json = false;
    if (!wants_json(self, &as_json)) return EXIT_USAGE;
    cli_session session;
    int code = session_open(self, false, &session);
    if (code >= 0) return code;
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    ql_status status = ql_workspace_projects_json(session.workspace, cli_str(self, OPT_PROJECT_ID), view == VIEW_STATUS, &json, &err);
    code = EXIT_OK;
    if (status < 0) code = cli_fail(self, status, &err);
    else {
        json_t *projects = json_loads(ql_buf_cstr(&json), 0, NULL);
        if (as_json) printf("%s\n", ql_buf_cstr(&json));
        else if (view == VIEW_LIST) print_list(projects);
        else if (view == VIEW_STATUS) print_status(projects);
        if (view == VIEW_VALIDATE) code = print_validation(projects, as_json);
        json_decref(projects);
    }
    ql_buf_dispose(&json);
    session_close(&session);
    return code;
}

int cmd_project_list(cli *self)
{
    return show_projects(self, VIEW_LIST);
}

int cmd_project_status(cli *self)
{
    return show_projects(self, VIEW_STATUS);
}

int cmd_project_validate(cli *self)
{
    return show_projects(self, VIEW_VALIDATE);
}
