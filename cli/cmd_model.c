/* qloader model: the embedding models on this machine. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bring_model.h"
#include "exit_code.h"
#include "output.h"
#include "session.h"

static ql_str model_name(const cli *self)
{
    return ql_str_of(self->positional_count > 0 ? self->positional[0] : ql_model_default());
}

static const char *workspace_dir(const cli *self)
{
    return cli_has(self, OPT_WORKSPACE) ? self->values[OPT_WORKSPACE] : ".";
}

int cmd_model_list(cli *self)
{
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    ql_status status = ql_model_list_json(workspace_dir(self), &json, &err);
    int code = status < 0 ? cli_fail(self, status, &err) : EXIT_OK;
    if (status >= 0 && cli_has(self, OPT_JSON)) printf("%s\n", ql_buf_cstr(&json));
    else if (status >= 0) {
        size_t i = 0;
        json_t *models = json_loads(ql_buf_cstr(&json), 0, NULL), *model = NULL;
        printf("%-28s %5s %8s  %s\n", "MODEL", "DIMS", "MB", "WHERE");
        json_array_foreach(models, i, model)
        {
            const char *path = json_string_value(json_object_get(model, "path"));
            bool damaged = path != NULL && !json_is_true(json_object_get(model, "usable"));
            printf("%-28s %5lld %8.1f  ", json_string_value(json_object_get(model, "name")), (long long)json_integer_value(json_object_get(model, "dims")),
                   (double)json_integer_value(json_object_get(model, "size_bytes")) / 1e6);
            if (path != NULL) text_put(stdout, ql_str_of(path));
            else printf("not here; '%s model pull' brings it", self->program);
            if (damaged) printf(" (damaged; '%s model pull' brings it again)", self->program);
            printf("\n");
        }
        json_decref(models);
    }
    ql_buf_dispose(&json);
    return code;
}

static void print_files(const char *key, const json_t *files)
{
    size_t i = 0;
    json_t *file = NULL;
    json_array_foreach(files, i, file)
    {
        const char *hash = json_string_value(json_object_get(file, "sha256"));
        printf("%-20s %s  ", i == 0 ? key : "", hash != NULL ? hash : "hash not known");
        text_put(stdout, ql_str_of(json_string_value(json_object_get(file, "path"))));
        printf("\n");
    }
}

int cmd_model_info(cli *self)
{
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    ql_status status = ql_model_info_json(workspace_dir(self), model_name(self), &json, &err);
    int code = status < 0 ? cli_fail(self, status, &err) : EXIT_OK;
    if (status >= 0 && cli_has(self, OPT_JSON)) printf("%s\n", ql_buf_cstr(&json));
    else if (status >= 0) {
        const char *key = NULL;
        json_t *info = json_loads(ql_buf_cstr(&json), 0, NULL), *value = NULL;
        json_object_foreach(info, key, value)
        {
            if (json_is_array(value)) {
                print_files(key, value);
                continue;
            }
            char *text = json_is_string(value) || json_is_null(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
            const char *shown = json_is_null(value) ? "not known" : text != NULL ? text : json_string_value(value);
            printf("%-20s ", key);
            text_put(stdout, ql_str_of(shown != NULL ? shown : ""));
            printf("\n");
            free(text);
        }
        json_decref(info);
    }
    ql_buf_dispose(&json);
    return code;
}

static void print_object(json_t *object)
{
    if (object != NULL) json_dumpf(object, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(object);
}

int cmd_model_verify(cli *self)
{
    ql_error err = {0};
    ql_status status = ql_model_verify(workspace_dir(self), model_name(self), &err);
    if (status < 0) return cli_fail(self, status, &err);
    if (self->json) print_object(json_pack("{s:o, s:b}", "name", text_json(model_name(self)), "verified", 1));
    else if (!cli_has(self, OPT_QUIET)) printf("%s: every file matches its pinned SHA-256\n", model_name(self).ptr);
    return EXIT_OK;
}

/* Whether there is a folder that may receive the model. */
static ql_status check_place(const cli *self, ql_error *err)
{
    static const char remedy[] = "; --to DIR names one";
    ql_buf dir = QL_BUF_INIT;
    if (cli_has(self, OPT_TO)) return QL_OK;
    ql_status status = ql_model_user_dir(&dir, err);
    size_t len = strlen(err->message);
    if (ql_status_kind(status) == QL_E_NOTFOUND && len + sizeof remedy <= sizeof err->message) memcpy(err->message + len, remedy, sizeof remedy);
    ql_buf_dispose(&dir);
    return status;
}

/* Whether this build knows the hashes of the model's files, so that bringing it has compared them. */
static bool is_pinned(const cli *self)
{
    size_t i = 0;
    bool pinned = false;
    ql_buf text = QL_BUF_INIT;
    json_t *models = ql_model_list_json(workspace_dir(self), &text, NULL) >= 0 ? json_loads(ql_buf_cstr(&text), 0, NULL) : NULL, *model = NULL;
    json_array_foreach(models, i, model)
        if (ql_str_equal(model_name(self), ql_str_of(json_string_value(json_object_get(model, "name"))))) pinned = json_is_true(json_object_get(model, "pinned"));
    json_decref(models);
    ql_buf_dispose(&text);
    return pinned;
}

static void tell_ready(const cli *self, const ql_buf *place)
{
    bool pinned = is_pinned(self);
    if (self->json) print_object(json_pack("{s:o, s:o, s:b, s:b}", "name", text_json(model_name(self)), "path", text_json(ql_buf_str(place)), "ready", 1, "pinned", pinned));
    else if (!cli_has(self, OPT_QUIET)) {
        printf("%s is ready in ", model_name(self).ptr);
        text_put(stdout, ql_buf_str(place));
        printf("\n");
    }
    if (pinned || self->json) return;
    fprintf(stderr, "warning: no hashes are known for a model '");
    text_put(stderr, model_name(self));
    fprintf(stderr, "': its files were taken unchecked, as they are\n");
}

int cmd_model_pull(cli *self)
{
    ql_error err = {0};
    ql_buf place = QL_BUF_INIT;
    ql_status status = check_place(self, &err);
    if (status >= 0) status = bring_model(self, model_name(self), self->values[OPT_FROM], self->values[OPT_TO], &place, &err);
    int code = EXIT_OK;
    if (status < 0) code = session_fail(self, status, &err);
    else tell_ready(self, &place);
    ql_buf_dispose(&place);
    return code;
}
