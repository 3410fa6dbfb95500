#include <algorithm>

#include <spillway/base/text.hpp>

#include "families.hpp"
#include "kinds.hpp"
#include "made_image.hpp"

// Videos in both forms: /videos and, older, /video/generations/jobs.
namespace spillway::sim {
namespace {

constexpr kind video_kind{"video", "video_"}, video_job_kind{"video.generation.job", "task_"},
    generation_kind{"video.generation", "gen_"};

// No picture is in it, but it begins as such a file does.
std::shared_ptr<const blob> made_video(std::uint64_t seed) {
    constexpr std::string_view beginning{
        "\0\0\0\x18"
        "ftypmp42\0\0\0\0mp42isom",
        24};
    constexpr std::uint64_t bytes = 256ULL * 1024;
    return std::make_shared<const blob>(std::string(beginning) + made_image(bytes, seed));
}

answer keep_video(visit& v, json object) {
    const duration whole = v.job();
    stored s;
    s.of = &video_kind;
    s.content = made_video(text::hash(to_text(object["prompt"])));
    object.update({{"status", "queued"}, {"progress", 0}, {"completed_at", nullptr}, {"error", nullptr}});
    object["expires_at"] = v.wall(hours(24));
    s.object = std::move(object);
    s.plan = {{whole / 3, {{"status", "in_progress"}, {"progress", 50}}},
              {whole, {{"status", "completed"}, {"progress", 100}, {"completed_at", v.wall(whole)}}}};
    return v.keep(std::move(s));
}

answer create_video(visit& v) {
    if (find(v.body(), "prompt") == nullptr) return missing("prompt");
    json object = v.made(video_kind);
    v.take(object, {{"model", ""}, {"prompt", ""}, {"seconds", "4"}, {"size", "720x1280"}});
    object["remixed_from_video_id"] = nullptr;
    return keep_video(v, std::move(object));
}

answer remix_video(visit& v) {
    const stored* from = v.named();
    if (from == nullptr) return v.no_such();
    if (find(v.body(), "prompt") == nullptr) return missing("prompt");
    json object = v.made(video_kind);
    for (const char* same : {"model", "seconds", "size"}) object[same] = from->object[same];
    object["prompt"] = v.body()["prompt"];
    object["remixed_from_video_id"] = from->key;
    return keep_video(v, std::move(object));
}

answer video_content(visit& v) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    if (s->object["status"] != "completed")
        return error_answer(404, "not_found", "The video is not ready yet.", "invalid_request_error");
    const std::string variant = v.parameter("variant");
    answer out = get_content(v);
    out.content_type = variant.empty() || variant == "video" ? "video/mp4" : "image/png";
    if (out.content_type == "image/png")
        out.content = std::make_shared<const blob>(made_image(1024, text::hash(s->key + variant)));
    return out;
}

answer create_job_of_video(visit& v) {
    if (find(v.body(), "prompt") == nullptr) return missing("prompt");
    const duration whole = v.job();
    stored s;
    s.of = &video_job_kind;
    s.object = v.made(video_job_kind);
    s.object.update({{"status", "queued"}, {"finished_at", nullptr}, {"failure_reason", nullptr}});
    s.object["expires_at"] = v.wall(hours(24));
    v.take(s.object,
           {{"prompt", ""}, {"model", ""}, {"n_variants", 1}, {"n_seconds", 5}, {"width", 480}, {"height", 480}});
    s.object["generations"] = json::array();
    const std::string id = s.id();
    const std::uint64_t variants = std::clamp<std::uint64_t>(number_or(s.object, "n_variants", 1), 1, 4);
    json made = json::array();
    std::vector<stored> later;
    for (std::uint64_t i = 0; i < variants; ++i) {
        stored g;
        g.of = &generation_kind;
        g.object = v.made(generation_kind);
        g.object["job_id"] = id;
        for (const char* same : {"width", "height", "n_seconds", "prompt"}) g.object[same] = s.object[same];
        g.appears = whole;
        g.content = made_video(text::hash(id) + i);
        made.push_back(g.object);
        later.push_back(std::move(g));
    }
    s.inside = {{"generations", made}};
    s.plan = {{whole / 3, {{"status", "running"}}},
              {whole, {{"status", "succeeded"}, {"finished_at", v.wall(whole)}, {"generations", made}}}};
    for (auto& g : later) v.objects.keep(std::move(g), v.now);
    answer out = v.keep(std::move(s));
    out.status = 201;
    return out;
}

answer delete_job_of_video(visit& v) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    const json generations = s->inside["generations"];
    v.objects.erase(s->key);
    for (const auto& g : generations) v.objects.erase(string_or(g, "id", ""));
    answer out;
    out.status = 204;
    return out;
}

answer generation_content(visit& v) {
    answer out = get_content(v);
    if (out.content) out.content_type = "video/mp4";
    return out;
}

answer generation_picture(visit& v) {
    const stored* s = v.named();
    if (s == nullptr) return v.no_such();
    answer out;
    out.content_type = "image/jpeg";
    out.content = std::make_shared<const blob>(made_image(1024, text::hash(s->key)));
    return out;
}

}  // namespace

void add_videos(way_table& all) {
    all.push_back({"POST", "videos", create_video, &video_kind, true});
    all.push_back({"GET", "videos", list_all, &video_kind});
    all.push_back({"GET", "videos/{}", get_one, &video_kind});
    all.push_back({"DELETE", "videos/{}", delete_one, &video_kind});
    all.push_back({"GET", "videos/{}/content", video_content, &video_kind});
    all.push_back({"POST", "videos/{}/remix", remix_video, &video_kind});
    all.push_back({"POST", "video/generations/jobs", create_job_of_video, &video_job_kind, true});
    all.push_back({"GET", "video/generations/jobs", list_all, &video_job_kind});
    all.push_back({"GET", "video/generations/jobs/{}", get_one, &video_job_kind});
    all.push_back({"DELETE", "video/generations/jobs/{}", delete_job_of_video, &video_job_kind});
    all.push_back({"GET", "video/generations/{}", get_one, &generation_kind});
    all.push_back({"GET", "video/generations/{}/content/video", generation_content, &generation_kind});
    all.push_back({"GET", "video/generations/{}/content/thumbnail", generation_picture, &generation_kind});
}

}  // namespace spillway::sim
