/* From the tree of values to the struct that the rest of the library reads. Runs only on a tree without problems. One loader, one thread. */
#include <string.h>

#include "model/config_loader.h"

static const char *const type_names[QL__SOURCE_TYPE_COUNT] = {
    [QL__SOURCE_CONFLUENCE] = "confluence", [QL__SOURCE_GIT] = "git", [QL__SOURCE_JIRA] = "jira",
    [QL__SOURCE_PUBLICDOCS] = "publicdocs", [QL__SOURCE_LOCALFILE] = "localfile", [QL__SOURCE_SHAREPOINT] = "sharepoint",
};

const char *ql__source_type_name(size_t type)
{
    return type_names[type];
}

static ql__strs strings_of(ql__config_loader *self, const ql__value *list)
{
    ql__strs out = {NULL, 0};
    if (list == NULL || list->kind != QL__YAML_LIST || list->list.count == 0) return out;
    ql_str *items = ql__loader_alloc(self, list->list.count, sizeof *items);
    if (items == NULL) return out;
    for (size_t i = 0; i < list->list.count; i++) items[i] = ql__value_text(list->list.items[i]);
    return (ql__strs){items, list->list.count};
}

static ql_str json_of(ql__config_loader *self, const ql__value *value)
{
    ql_buf json = QL_BUF_INIT;
    ql__value_write_json(value, false, &json);
    ql_str out = QL_STR("");
    if (json.status < 0) self->nomem = true;
    else out = ql__loader_copy(self, ql_buf_str(&json));
    if (json.ptr != NULL) explicit_bzero(json.ptr, json.capacity); /* holds tokens */
    ql_buf_dispose(&json);
    return out;
}

static ql_str shown_url(ql__config_loader *self, ql_str base_url)
{
    ql_buf masked = QL_BUF_INIT;
    ql_str out = QL_STR("");
    ql__mask_user(base_url, &masked);
    if (masked.status < 0) self->nomem = true;
    else out = ql__loader_copy(self, ql_buf_str(&masked));
    ql_buf_dispose(&masked);
    return out;
}

static void build_source(ql__config_loader *self, ql__source_type type, ql_str type_name, const ql__member *member, ql__config_source *out)
{
    const ql__value *value = member->value, *depth = ql__value_get(value, "depth");
    *out = (ql__config_source){
        .type = type,
        .type_name = type_name,
        .name = member->key,
        .base_url = ql__value_text(ql__value_get(value, "base_url")),
        .include_paths = strings_of(self, ql__value_get(value, "include_paths")),
        .exclude_paths = strings_of(self, ql__value_get(value, "exclude_paths")),
        .file_types = strings_of(self, ql__value_get(value, "file_types")),
        .max_file_size = (uint64_t)ql__value_int(ql__value_get(value, "max_file_size"), 0),
        .enable_file_conversion = ql__value_bool(ql__value_get(value, "enable_file_conversion")),
        .branch = ql__value_text(ql__value_get(value, "branch")),
        .token = ql__value_text(ql__value_get(value, "token")),
        .depth_set = depth != NULL && depth->kind == QL__YAML_INT,
        .depth = (uint32_t)ql__value_int(depth, 0),
        .json = json_of(self, value),
        .line = member->line,
        .column = member->column,
    };
    out->shown_url = shown_url(self, out->base_url);
    if (type == QL__SOURCE_LOCALFILE || type == QL__SOURCE_GIT) out->local_path = ql__config_local_path(self, out->base_url);
}

static void build_project(ql__config_loader *self, const ql__member *member, ql__config_project *out)
{
    const ql__value *sources = ql__value_get(member->value, "sources");
    *out = (ql__config_project){
        .id = member->key,
        .display_name = ql__value_text(ql__value_get(member->value, "display_name")),
        .description = ql__value_text(ql__value_get(member->value, "description")),
    };
    size_t count = 0;
    for (size_t i = 0; sources != NULL && i < sources->map.count; i++) count += sources->map.members[i].value->kind == QL__YAML_MAP ? sources->map.members[i].value->map.count : 0;
    ql__config_source *items = ql__loader_alloc(self, count, sizeof *items);
    if (items == NULL) return;
    out->sources = items;
    for (size_t type = 0; type < QL__SOURCE_TYPE_COUNT; type++) {
        const ql__value *named = ql__value_get(sources, type_names[type]);
        for (size_t i = 0; named != NULL && i < named->map.count; i++)
            build_source(self, (ql__source_type)type, ql_str_of(type_names[type]), &named->map.members[i], &items[out->source_count++]);
    }
    for (size_t t = 0; sources != NULL && t < sources->map.count; t++) {
        const ql__member *named = &sources->map.members[t];
        for (size_t i = 0; ql__config_is_added_type(self, named->key) && i < named->value->map.count; i++)
            build_source(self, QL__SOURCE_ADDED, named->key, &named->value->map.members[i], &items[out->source_count++]);
    }
}

void ql__config_build(ql__config_loader *self, const ql__value *root, ql__config *out)
{
    const ql__value *projects = ql__value_get(root, "projects"), *size = ql__value_at(root, "global.chunking.chunk_size"), *overlap = ql__value_at(root, "global.chunking.chunk_overlap");
    ql__config_project *items = ql__loader_alloc(self, projects != NULL ? projects->map.count : 0, sizeof *items);
    for (size_t i = 0; items != NULL && projects != NULL && i < projects->map.count; i++) build_project(self, &projects->map.members[i], &items[i]);
    out->projects = items;
    out->project_count = projects != NULL && items != NULL ? projects->map.count : 0;
    out->collection_name = ql__value_text(ql__value_at(root, "global.qdrant.collection_name"));
    out->chunk_size_set = size != NULL && size->kind == QL__YAML_INT;
    out->chunk_overlap_set = overlap != NULL && overlap->kind == QL__YAML_INT;
    out->chunk_size = (uint32_t)ql__value_int(size, 0);
    out->chunk_overlap = (uint32_t)ql__value_int(overlap, 0);
    out->max_chunks_per_document = (uint32_t)ql__value_int(ql__value_at(root, "global.chunking.max_chunks_per_document"), 0);
}
