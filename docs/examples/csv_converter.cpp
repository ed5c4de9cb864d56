// A converter of one's own, in C++: each row of a CSV file becomes a line of "column: value" pairs and a block, so that a search finds the row.
// Exceptions end at the border: what crosses it is a status. Usage: csv_converter FOLDER (keeps FOLDER/csv-index)
// Build: c++ -std=c++17 csv_converter.cpp -o csv_converter $(pkg-config --cflags --libs qloader)
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <qloader.h>
#include <string>
#include <vector>

namespace {

// No quotes, to stay short: a real one would use a library for CSV.
std::vector<std::string> split(const std::string &text, char at) {
    std::vector<std::string> parts(1);
    for (char c : text)
        if (c == at) parts.emplace_back();
        else parts.back() += c;
    return parts;
}

// Memory that lives as long as the conversion: nothing of ours may be left when convert() returns.
template <typename T> T *keep(ql_arena *arena, const T *items, size_t count) {
    void *room = ql_arena_alloc(arena, count * sizeof(T) + 1);
    if (!room) throw std::bad_alloc();
    return static_cast<T *>(std::memcpy(room, items, count * sizeof(T)));
}

void convert_rows(const ql_document *document, ql_arena *arena, ql_canonical *out) {
    std::string text;
    std::vector<ql_block> blocks(1);
    std::vector<ql_range_map> map;
    auto lines = split(std::string(document->content.ptr, document->content.len), '\n');
    auto columns = split(lines[0], ',');
    size_t source = lines[0].size() + 1;
    for (size_t i = 1; i < lines.size(); source += lines[i++].size() + 1) {
        if (lines[i].empty()) continue;
        auto values = split(lines[i], ',');
        size_t begin = text.size();
        for (size_t v = 0; v < values.size() && v < columns.size(); v++) text += (v ? ", " : "") + columns[v] + ": " + values[v];
        text += "\n";
        ql_block row{};
        row.begin = begin, row.end = text.size(), row.kind = QL_BLOCK_ROW, row.next = static_cast<uint32_t>(blocks.size() + 1);
        blocks.push_back(row);
        map.push_back({begin, text.size() - begin, source, source + lines[i].size()});
    }
    blocks[0].end = text.size(), blocks[0].parent = QL_BLOCK_NONE, blocks[0].next = static_cast<uint32_t>(blocks.size());
    *out = ql_canonical{};
    out->struct_size = sizeof *out;
    out->text = {keep(arena, text.data(), text.size()), text.size()};
    out->blocks = keep(arena, blocks.data(), blocks.size()), out->block_count = static_cast<uint32_t>(blocks.size());
    out->map = keep(arena, map.data(), map.size()), out->map_count = map.size();
}

bool accepts(void *, const ql_document *document) { return ql_str_equal(document->content_type, QL_STR("csv")); }

ql_status convert(void *, const ql_document *document, ql_arena *arena, ql_canonical *out, ql_error *err) {
    try {
        convert_rows(document, arena, out);
        return QL_OK;
    } catch (const std::exception &failure) {
        err->status = QL_E_NOMEM;
        std::snprintf(err->message, sizeof err->message, "%s", failure.what());
        return QL_E_NOMEM;
    }
}

struct Free {
    void operator()(ql_runtime *p) const { ql_runtime_free(p); }
    void operator()(ql_workspace *p) const { ql_workspace_free(p); }
    void operator()(ql_results *p) const { ql_results_free(p); }
};

int fail(const ql_error &err) {
    std::fprintf(stderr, "%s\n", err.message);
    return 1;
}

} // namespace

int main(int argc, char **argv) {
    const std::string folder = argc > 1 ? argv[1] : ".", file = folder + "/docs/cities.csv", index = folder + "/csv-index";
    if (FILE *out = std::fopen(file.c_str(), "w")) {
        std::fputs("city,river\nVienna,Danube\nCologne,Rhine\n", out);
        std::fclose(out);
    }
    ql_error err{};
    ql_runtime *runtime_made = nullptr;
    if (ql_runtime_new(nullptr, &runtime_made, &err) < 0) return fail(err);
    std::unique_ptr<ql_runtime, Free> runtime(runtime_made);
    static const ql_converter_ops ops = {sizeof ops, 1, "csv", accepts, convert, nullptr};
    if (ql_converter_register(runtime.get(), &ops, nullptr, &err) < 0) return fail(err);
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.dir = folder.c_str(), options.data_dir = index.c_str();
    ql_workspace *workspace_made = nullptr;
    if (ql_workspace_open(runtime.get(), &options, &workspace_made, nullptr, &err) < 0) return fail(err);
    std::unique_ptr<ql_workspace, Free> workspace(workspace_made);
    if (ql_ingest(workspace.get(), nullptr, nullptr, &err) < 0) return fail(err);
    ql_results *results_made = nullptr;
    if (ql_search(workspace.get(), QL_STR("which city lies on the Danube?"), nullptr, &results_made, &err) < 0) return fail(err);
    std::unique_ptr<ql_results, Free> results(results_made);
    const ql_hit *hit = ql_results_hit(results.get(), 0);
    if (hit) std::printf("%.*s", static_cast<int>(hit->text.len), hit->text.ptr);
}
