/* SPDX-License-Identifier: MIT
 *
 * GOAL    /openapi.json says what the router does: every route of its table, with its
 *         parameters, and no status that the other tests get and it does not know.
 */
#include "common/edge/json.h"
#include "coordinator/http/state.h"
#include "tests/support/api_ask.h"

static struct json *
read_document(const struct fake *fake)
{
    struct json *document = NULL;
    char why[JSON_WHY_SIZE_MAX] = "";
    struct answer answer = fake_ask_status(fake, GET("/openapi.json"), 200);
    err_t err = json_parse(answer.body, answer.body_size, &document, why);
    ASSERT_STR_EQ(why, "");
    CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
    answer_free(&answer);
    return document;
}

static const struct json *
operation_of(const struct json *document, const struct route *route)
{
    char path[96];
    char method[16];
    openapi_path(route->pattern, path, sizeof path);
    snprintf(method, sizeof method, "%s", codec_method_text(route->method));
    for (char *c = method; *c != '\0'; c++) {
        *c = (char) (*c | 0x20);
    }
    return json_get(json_get(json_get(document, "paths"), path), method);
}

static void
openapi_has_every_route(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct json *document = read_document(&fake);
    ASSERT_STR_EQ(json_text(json_get(document, "openapi")), "3.1.0");
    for (unsigned i = 0; i < routes_count(); i++) {
        const struct route *route = routes_at(i);
        const struct json *operation = operation_of(document, route);
        const struct json *responses = json_get(operation, "responses");
        CU_ASSERT_PTR_NOT_NULL(json_text(json_get(operation, "summary")));
        CU_ASSERT_PTR_NOT_NULL(json_get(responses, "200"));
        CU_ASSERT_PTR_NOT_NULL(json_get(responses, "400"));
        CU_ASSERT_EQUAL(json_get(responses, "401") != NULL, route->scope != ACCESS_OPEN);
        const struct json *parameters = json_get(operation, "parameters");
        bool has_hole = strstr(route->pattern, "{}") != NULL;
        CU_ASSERT_EQUAL(json_count(parameters) > 0, has_hole || route->query[0] != '\0');
    }
    json_free(document);
    fake_stop(&fake);
}

/* GOAL    each parameter that is told of is one, and no other is. */
static void
openapi_parameters_are_those_that_are_taken(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    for (unsigned i = 0; i < routes_count(); i++) {
        const struct route *route = routes_at(i);
        struct slice rest = slice_of(route->query);
        struct slice name;
        const char *hole = strstr(route->pattern, "{}");
        while (slice_next(&rest, ' ', &name) && name.size > 0) {
            char request[256];
            snprintf(request, sizeof request, "%s %.*s%s%s?%.*s=%%00 HTTP/1.1\r\n" HOST "\r\n",
                codec_method_text(route->method),
                hole != NULL ? (int) (hole - route->pattern) : (int) strlen(route->pattern),
                route->pattern, hole != NULL ? "echo" : "", hole != NULL ? hole + 2 : "",
                (int) name.size, name.at);
            /* A value that none can have: what is taken is refused for that alone. */
            struct answer answer = fake_ask_status(&fake, request, 400);
            CU_ASSERT_PTR_NULL(strstr(answer.body, "there is no parameter"));
            answer_free(&answer);
        }
    }
    fake_stop(&fake);
}

static const struct test tests[] = {
    TEST(openapi_has_every_route),
    TEST(openapi_parameters_are_those_that_are_taken),
};
TEST_MAIN("api_openapi", tests)
