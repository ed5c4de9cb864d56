/*
 * Rules that concern more than one key, the fallbacks to the environment, and the choice of store and embedder. Works on the tree of typed
 * values in place; what was left out as wrong is treated as absent, so one mistake gives one message. One loader, one thread.
 */
#include <stdio.h>
#include <string.h>

#include "model/config_loader.h"

/* ---- Fallbacks ---- */

/* Puts text of the environment where the file says nothing, or only the standard (NULL: none); true when it did. */
static bool fall_back(ql__config_loader *self, ql__value *value, const char *standard, const char *variable)
{
    ql_str text, own = ql__value_text(value);
    bool is_open = value != NULL && (value->kind == QL__YAML_NULL || value->kind == QL__YAML_STRING) && (own.len == 0 || ql_str_equal(own, ql_str_of(standard)));
    if (!is_open || !ql__config_env_filled(self, variable, &text)) return false;
    value->kind = QL__YAML_STRING;
    value->text = ql__loader_copy(self, text);
    value->replaced = true;
    return true;
}

static bool is_local_host(ql_str url)
{
    const char *mark = memmem(url.ptr, url.len, "://", 3);
    if (mark == NULL) return false;
    const char *host = mark + 3;
    return strncmp(host, "localhost", 9) == 0 || strncmp(host, "127.0.0.1", 9) == 0 || strncmp(host, "[::1]", 5) == 0;
}

/* A key must not travel in the clear: http becomes https, except to this machine. */
static void secure_url(ql__config_loader *self, ql__value *url, const ql__value *key)
{
    if (url == NULL || url->kind != QL__YAML_STRING || ql__value_text(key).len == 0 || is_local_host(url->text)) return;
    if (url->text.len < 7 || strncmp(url->text.ptr, "http://", 7) != 0) return;
    url->text = ql__loader_printf(self, "https%s", url->text.ptr + 4);
}

static void check_qdrant(ql__config_loader *self, ql__value *root, ql__config *out)
{
    ql__value *url = ql__value_at(root, "global.qdrant.url"), *key = ql__value_at(root, "global.qdrant.api_key"), *name = ql__value_at(root, "global.qdrant.collection_name");
    bool of_environment = fall_back(self, url, "http://localhost:6333", "QDRANT_URL");
    const char *why = NULL;
    if (of_environment && !ql__config_url(self, url->text, false, &url->text, &why)) ql__problem_add(self, QL__FILE_NONE, 0, 0, false, "QDRANT_URL %s", why);
    (void)fall_back(self, key, NULL, "QDRANT_API_KEY");
    if (fall_back(self, name, "documents", "QDRANT_COLLECTION_NAME") && !ql__config_is_name(name->text))
        ql__problem_add(self, QL__FILE_NONE, 0, 0, false, "QDRANT_COLLECTION_NAME must be a name of letters, digits, '_' and '-' that begins with a letter");
    secure_url(self, url, key);
    out->store_embedded = ql__value_text(url).len == 0;
    if (out->store_embedded) out->store_reason = QL_STR("embedded store: neither global.qdrant.url nor QDRANT_URL is set");
    else out->store_reason = of_environment ? QL_STR("Qdrant: QDRANT_URL is set") : QL_STR("Qdrant: global.qdrant.url is set");
}

/* ---- Chunking ---- */

#define CHARACTERS_STANDARD 1500 /* what the reference cuts at when only one of the two is written */
#define OVERLAP_STANDARD 200

static void set_int(ql__value *value, int64_t number)
{
    value->kind = QL__YAML_INT;
    value->integer = number;
}

static void check_chunking(ql__config_loader *self, ql__value *root)
{
    ql__value *size = ql__value_at(root, "global.chunking.chunk_size"), *overlap = ql__value_at(root, "global.chunking.chunk_overlap");
    if (size == NULL || overlap == NULL) return; /* wrong, and reported */
    if (size->kind == QL__YAML_NULL && overlap->kind == QL__YAML_NULL) return;
    if (size->kind == QL__YAML_NULL) set_int(size, CHARACTERS_STANDARD);
    if (overlap->kind == QL__YAML_NULL) set_int(overlap, size->integer / 4 < OVERLAP_STANDARD ? size->integer / 4 : OVERLAP_STANDARD);
    if (overlap->integer >= size->integer)
        ql__problem(self, overlap->line, overlap->column, "global.chunking.chunk_overlap (%lld) must be less than chunk_size (%lld%s)", (long long)overlap->integer,
                    (long long)size->integer, size->written && size->line != 0 ? "" : " when it is not written");
}

static void check_semantics(ql__config_loader *self, ql__value *root)
{
    const ql__value *plain = ql__value_at(root, "global.chunking.enable_semantic_analysis"), *enhanced = ql__value_at(root, "global.chunking.enable_enhanced_semantic_analysis");
    if (ql__value_bool(enhanced) && plain != NULL && !ql__value_bool(plain))
        ql__problem(self, enhanced->line, enhanced->column, "global.chunking.enable_enhanced_semantic_analysis needs enable_semantic_analysis");
}

static void check_state(ql__config_loader *self, ql__value *root)
{
    const ql__value *prefix = ql__value_at(root, "global.state_management.table_prefix");
    ql_str text = ql__value_text(prefix);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_') continue;
        ql__problem(self, prefix->line, prefix->column, "global.state_management.table_prefix may hold letters, digits and '_' only");
        return;
    }
}

/* ---- Sources ---- */

static void check_auth(ql__config_loader *self, const char *type, const char *prefix, const ql__member *source)
{
    char variable[32];
    ql__value *token = ql__value_get(source->value, "token"), *email = ql__value_get(source->value, "email"), *deployment = ql__value_get(source->value, "deployment_type");
    (void)snprintf(variable, sizeof variable, "%s_TOKEN", prefix);
    (void)fall_back(self, token, NULL, variable);
    if (token != NULL && ql__value_text(token).len == 0)
        ql__problem(self, source->line, source->column, "%s source '%.*s' needs a token: write 'token', or set %s", type, (int)source->key.len, source->key.ptr, variable);
    if (deployment != NULL && ql_str_equal(ql__value_text(deployment), QL_STR("server"))) deployment->text = ql__loader_copy(self, QL_STR("datacenter"));
    (void)snprintf(variable, sizeof variable, "%s_EMAIL", prefix);
    (void)fall_back(self, email, NULL, variable);
    bool cloud = deployment != NULL && ql_str_equal(ql__value_text(deployment), QL_STR("cloud"));
    if (cloud && email != NULL && ql__value_text(email).len == 0)
        ql__problem(self, source->line, source->column, "%s source '%.*s' needs an email in the cloud: write 'email', set %s, or 'deployment_type: datacenter'", type, (int)source->key.len, source->key.ptr, variable);
}

/* A placeholder that was let through leniently would be sent to the server. */
static void check_placeholders(ql__config_loader *self, const ql__value *source)
{
    static const char *const keys[] = {"project_key", "token", "email"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys && self->options->lenient; i++) {
        const ql__value *value = ql__value_get(source, keys[i]);
        ql_str text = ql__value_text(value);
        if (!value || text.len == 0 || memmem(text.ptr, text.len, "${", 2) == NULL) continue;
        ql__problem(self, value->line, value->column, "%s of a jira source holds a ${...} that was not replaced", keys[i]);
    }
}

static bool is_standard_field(ql_str name)
{
    static const char *const names[] = {"id", "key", "summary", "description", "issue_type", "status", "priority", "project_key", "created", "updated", "reporter", "assignee",
                                        "labels", "attachments", "comments", "parent_key", "subtasks", "linked_issues", "linked_issue_details"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ql_str_equal(name, ql_str_of(names[i]))) return true;
    return false;
}

static void check_unique(ql__config_loader *self, const ql__value *fields, size_t index, const char *key)
{
    const ql__value *own = ql__value_get(fields->list.items[index], key);
    for (size_t i = 0; i < index && own != NULL; i++) {
        if (!ql_str_equal(ql__value_text(own), ql__value_text(ql__value_get(fields->list.items[i], key)))) continue;
        ql__problem(self, own->line, own->column, "%s '%.60s' is used twice in extra_fields", key, own->text.ptr);
        return;
    }
}

static void check_extra_fields(ql__config_loader *self, const ql__value *fields)
{
    if (fields == NULL || fields->kind != QL__YAML_LIST) return;
    for (size_t i = 0; i < fields->list.count; i++) {
        const ql__value *field = fields->list.items[i], *attribute = ql__value_get(field, "attr_name"), *name = ql__value_get(field, "name");
        ql_str type = ql__value_text(ql__value_get(field, "field_type"));
        bool wants = ql_str_equal(type, QL_STR("object")) || ql_str_equal(type, QL_STR("array_object")), has = ql__value_text(attribute).len != 0;
        if (wants && !has) ql__problem(self, field->line, field->column, "an extra field of type %.*s needs 'attr_name'", (int)type.len, type.ptr);
        if (!wants && has) ql__problem(self, attribute->line, attribute->column, "'attr_name' has no meaning for an extra field of type %.*s", (int)type.len, type.ptr);
        if (name != NULL && is_standard_field(ql__value_text(name))) ql__problem(self, name->line, name->column, "'%.60s' is the name of a standard field", name->text.ptr);
        check_unique(self, fields, i, "param_name");
        check_unique(self, fields, i, "name");
    }
}

static void check_sources(ql__config_loader *self, const ql__value *sources)
{
    const ql__value *confluence = ql__value_get(sources, "confluence"), *jira = ql__value_get(sources, "jira");
    for (size_t i = 0; confluence != NULL && i < confluence->map.count; i++) check_auth(self, "confluence", "CONFLUENCE", &confluence->map.members[i]);
    for (size_t i = 0; jira != NULL && i < jira->map.count; i++) {
        check_auth(self, "jira", "JIRA", &jira->map.members[i]);
        check_placeholders(self, jira->map.members[i].value);
        check_extra_fields(self, ql__value_get(jira->map.members[i].value, "extra_fields"));
    }
}

/* ---- Projects ---- */

static void check_collection_names(ql__config_loader *self, const ql__value *projects)
{
    for (size_t i = 0; i < projects->map.count; i++) {
        const ql__value *own = ql__value_get(projects->map.members[i].value, "collection_name");
        for (size_t j = 0; own != NULL && j < i; j++) {
            if (!ql_str_equal(ql__value_text(own), ql__value_text(ql__value_get(projects->map.members[j].value, "collection_name")))) continue;
            ql__problem(self, own->line, own->column, "the collection_name '%.60s' is used by two projects", own->text.ptr);
            break;
        }
    }
}

static ql__value *make_text(ql__config_loader *self, const char *text)
{
    ql__value *value = ql__loader_alloc(self, 1, sizeof *value);
    if (value != NULL) *value = (ql__value){.kind = QL__YAML_STRING, .text = ql_str_of(text)};
    return value;
}

/* The short form: its sources become those of a project "default". */
static void adopt_sources(ql__config_loader *self, ql__value *root, const ql__member *short_form)
{
    ql__value *projects = ql__loader_alloc(self, 1, sizeof *projects), *project = ql__loader_alloc(self, 1, sizeof *project), *nothing = ql__loader_alloc(self, 1, sizeof *nothing);
    ql__member *members = ql__loader_alloc(self, 3, sizeof *members), *only = ql__loader_alloc(self, 1, sizeof *only), *all = ql__loader_alloc(self, root->map.count + 1, sizeof *all);
    if (projects == NULL || project == NULL || nothing == NULL || members == NULL || only == NULL || all == NULL) return;
    nothing->kind = QL__YAML_NULL;
    members[0] = (ql__member){.key = QL_STR("display_name"), .value = make_text(self, "Default Project")};
    members[1] = (ql__member){.key = QL_STR("description"), .value = nothing};
    members[2] = (ql__member){.key = QL_STR("sources"), .value = short_form->value};
    *project = (ql__value){.kind = QL__YAML_MAP, .line = short_form->line, .column = short_form->column, .map = {members, 3}};
    only[0] = (ql__member){QL_STR("default"), project, short_form->line, short_form->column};
    *projects = (ql__value){.kind = QL__YAML_MAP, .written = true, .line = short_form->line, .column = short_form->column, .map = {only, 1}};
    if (root->map.count != 0) memcpy(all, root->map.members, root->map.count * sizeof *all);
    all[root->map.count] = (ql__member){QL_STR("projects"), projects, short_form->line, short_form->column};
    root->map.members = all;
    root->map.count++;
}

static const ql__member *find_member(const ql__value *map, const char *key)
{
    for (size_t i = 0; i < map->map.count; i++)
        if (ql_str_equal(map->map.members[i].key, ql_str_of(key))) return &map->map.members[i];
    return NULL;
}

static void check_projects(ql__config_loader *self, ql__value *root, const ql__yaml_node *file)
{
    const ql__member *short_form = find_member(root, "sources");
    const ql__yaml_node *written = ql__yaml_get(file, QL_STR("sources"));
    bool has_projects = ql__yaml_get(file, QL_STR("projects")) != NULL;
    if (has_projects && short_form != NULL) ql__warning(self, short_form->line, short_form->column, "'sources' at the top level is ignored because there are 'projects'");
    if (!has_projects && (written == NULL || written->kind == QL__YAML_NULL))
        ql__problem(self, file->line, file->column, "there is nothing to ingest: the file needs 'sources' or 'projects'");
    if (!has_projects && short_form != NULL) adopt_sources(self, root, short_form);
    const ql__value *projects = ql__value_get(root, "projects");
    if (projects == NULL) return;
    check_collection_names(self, projects);
    for (size_t i = 0; i < projects->map.count; i++) {
        const ql__member *project = &projects->map.members[i];
        const ql__value *sources = ql__value_get(project->value, "sources");
        if (sources == NULL || sources->map.count == 0)
            ql__warning(self, project->line, project->column, "the project '%.*s' has no sources: nothing will be ingested for it", (int)project->key.len, project->key.ptr);
        check_sources(self, sources);
        const ql__value *id = ql__value_get(project->value, "project_id");
        if (id != NULL && !ql_str_equal(ql__value_text(id), project->key))
            ql__warning(self, id->line, id->column, "the project_id '%.60s' has no effect: the key '%.*s' above it is the id", ql__value_text(id).ptr, (int)project->key.len, project->key.ptr);
    }
}

/* ---- Embedder ---- */

static const char *const llm_variables[] = {"LLM_PROVIDER", "LLM_BASE_URL", "LLM_API_KEY", "LLM_EMBEDDING_MODEL", "LLM_CHAT_MODEL", "LLM_VECTOR_SIZE"};

/* What in the file or the environment asks for a remote embedder, as words; NULL: nothing. */
static const char *remote_embedder(ql__config_loader *self, const ql__value *root)
{
    const ql__value *llm = ql__value_at(root, "global.llm");
    for (size_t i = 0; llm != NULL && llm->kind == QL__YAML_MAP && i < llm->map.count; i++) {
        ql_str key = llm->map.members[i].key;
        bool of_store = ql_str_equal(key, QL_STR("sparse")) || ql_str_equal(key, QL_STR("retrieval"));
        if (!of_store && ql__value_is_filled(llm->map.members[i].value)) return "global.llm";
    }
    static const char *const keys[] = {"global.embedding.model", "global.embedding.api_key", "global.embedding.endpoint"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (ql__value_is_filled(ql__value_at(root, keys[i]))) return keys[i];
    ql_str text;
    for (size_t i = 0; i < sizeof llm_variables / sizeof *llm_variables; i++)
        if (ql__config_env_filled(self, llm_variables[i], &text)) return llm_variables[i];
    return NULL;
}

static void warn_without_effect(ql__config_loader *self, const ql__value *section)
{
    for (size_t i = 0; section != NULL && section->kind == QL__YAML_MAP && i < section->map.count; i++) {
        const ql__member *member = &section->map.members[i];
        if (ql__value_is_filled(member->value) && member->line != 0)
            ql__warning(self, member->line, member->column, "global.embedding.%.*s has no effect with the local model", (int)member->key.len, member->key.ptr);
    }
}

void ql__config_check(ql__config_loader *self, ql__value *root, const ql__yaml_node *file, ql__config *out)
{
    check_qdrant(self, root, out);
    check_chunking(self, root);
    check_semantics(self, root);
    check_state(self, root);
    check_projects(self, root, file);

    const char *remote = remote_embedder(self, root);
    out->embedder_local = remote == NULL;
    if (remote != NULL) out->embedder_reason = ql__loader_printf(self, "remote embeddings: %s is set", remote);
    else out->embedder_reason = QL_STR("local model: neither global.llm, nor global.embedding.model, api_key or endpoint, nor LLM_* is set");
    if (remote == NULL) {
        warn_without_effect(self, ql__value_at(root, "global.embedding"));
        return;
    }
    (void)fall_back(self, ql__value_at(root, "global.embedding.api_key"), NULL, "OPENAI_API_KEY");
    (void)fall_back(self, ql__value_at(root, "global.llm.api_key"), NULL, "OPENAI_API_KEY");
}
