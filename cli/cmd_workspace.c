/* qloader init, config, project: the workspace and what is configured in it. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "bring_model.h"
#include "exit_code.h"
#include "output.h"
#include "session.h"

/* --- init ---------------------------------------------------------------------------------------------------------------------- */

static void print_info(const cli *self, const ql_workspace *workspace, const char *verb)
{
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    if (ql_workspace_info_json((ql_workspace *)workspace, &json, &err) >= 0) {
        json_t *info = json_loads(ql_buf_cstr(&json), 0, NULL);
        printf("%s: %s store in ", verb, json_string_value(json_object_get(info, "store")));
        text_put(stdout, ql_str_of(json_string_value(json_object_get(info, "data_dir"))));
        printf("\n");
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
    int force = cli_has(self, OPT_FORCE);
    ql_status status = ql_workspace_init(session.workspace, force, &err);
    if (bring_missing_model(self, true, &status, &err)) status = ql_workspace_init(session.workspace, force, &err);
    code = EXIT_OK;
    if (status < 0) code = session_fail(self, status, &err);
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
    const char *format = cli_format(self, OPT_CONFIG_FORMAT);
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

/* Counted in code points, so that names in other scripts mostly line up. */
static void put_cell(const char *text, int width)
{
    text_put(stdout, ql_str_of(text));
    for (const char *at = text; *at != '\0'; at++) width -= ((unsigned char)*at & 0xc0) != 0x80;
    printf("%*s ", width > 0 ? width : 0, "");
}

static void print_list(const json_t *projects)
{
    size_t i = 0;
    json_t *project = NULL;
    printf("%-20s %-28s %7s  %s\n", "PROJECT", "NAME", "SOURCES", "DESCRIPTION");
    json_array_foreach(projects, i, project)
    {
        put_cell(text_of(project, "project_id"), 20);
        put_cell(text_of(project, "display_name"), 28);
        printf("%7lld  ", (long long)json_integer_value(json_object_get(project, "source_count")));
        text_put(stdout, ql_str_of(text_of(project, "description")));
        printf("\n");
    }
}

static void print_status(const json_t *projects)
{
    size_t i = 0;
    json_t *project = NULL;
    printf("%-20s %9s %9s  %s\n", "PROJECT", "DOCUMENTS", "CHUNKS", "LATEST INGEST OF A SOURCE");
    json_array_foreach(projects, i, project)
    {
        put_cell(text_of(project, "project_id"), 20);
        printf("%9lld %9lld  %s\n", (long long)json_integer_value(json_object_get(project, "document_count")),
               (long long)json_integer_value(json_object_get(project, "chunk_count")), text_of(project, "latest_ingestion"));
    }
}

static void print_source_verdict(const json_t *source)
{
    if (json_is_true(json_object_get(source, "ready"))) return;
    printf("     ");
    text_put(stdout, ql_str_of(text_of(source, "source_type")));
    printf("/");
    text_put(stdout, ql_str_of(text_of(source, "source")));
    printf(": ");
    text_put(stdout, ql_str_of(text_of(source, "reason")));
    printf("\n");
}

static int print_validation(const json_t *projects, bool silent)
{
    size_t i = 0, s = 0;
    json_t *project = NULL, *source = NULL;
    int code = EXIT_OK;
    json_array_foreach(projects, i, project)
    {
        const json_t *sources = json_object_get(project, "sources");
        size_t good = 0, count = json_array_size(sources);
        json_array_foreach(sources, s, source)
        {
            if (json_is_true(json_object_get(source, "ready"))) good++;
            else if (!json_is_true(json_object_get(source, "supported"))) code = EXIT_UNSUPPORTED;
            else if (code == EXIT_OK) code = EXIT_NOTFOUND;
        }
        if (silent) continue;
        printf("%s ", good == count ? "ok  " : "FAIL");
        text_put(stdout, ql_str_of(text_of(project, "project_id")));
        printf(": %zu of %zu source%s can be read\n", good, count, count == 1 ? "" : "s");
        json_array_foreach(sources, s, source) print_source_verdict(source);
    }
    return code;
}

typedef enum project_view { VIEW_LIST, VIEW_STATUS, VIEW_VALIDATE } project_view;

static int show_projects(cli *self, project_view view)
{
    bool as_json = strcmp(cli_format(self, OPT_PROJECT_FORMAT), "json") == 0;
    cli_session session;
    int code = session_open(self, false, &session);
    if (code >= 0) return code;
    static const uint32_t parts_of[] = {[VIEW_LIST] = 0, [VIEW_STATUS] = QL_PROJECTS_STATUS, [VIEW_VALIDATE] = QL_PROJECTS_CHECK};
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    ql_status status = ql_workspace_projects_json(session.workspace, cli_str(self, OPT_PROJECT_ID), parts_of[view], &json, &err);
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
