#ifndef RUNTIME_CHAT_CHAT_PARTS_H
#define RUNTIME_CHAT_CHAT_PARTS_H

/* The parts of the template engine: tokens, tree, values, running. */

#include "formats/base/arena.h"
#include "runtime/chat.h"

enum {
    CHAT_TEXT_MAX = 4 << 20,     /* bytes of a template */
    CHAT_DEPTH_MAX = 200,        /* of expressions, blocks, calls and values in one another */
    CHAT_STEPS_MAX = 50000000,   /* expressions and statements of a rendering */
    CHAT_MEMORY_MAX = 256 << 20, /* bytes of values, of a rendering */
    CHAT_OUT_MAX = 128 << 20,    /* bytes of text */
    CHAT_RANGE_MAX = 100000,     /* as in Jinja's sandbox */
    CHAT_ARGS = 6                /* most parameters of a filter, method or function */
};

struct chat_str {
    const char *p;
    size_t n;
};
/* Are they equal? */
bool chat_same(struct chat_str a, struct chat_str b);
bool chat_is(struct chat_str a, const char *b); /* the same of a literal */

/* ---- tokens ---------------------------------------------------------------------------- */

enum chat_tok {
    CHAT_TOK_TEXT,  /* outside of tags */
    CHAT_TOK_PRINT, /* {{ */
    CHAT_TOK_PRINT_END,
    CHAT_TOK_BLOCK, /* {% */
    CHAT_TOK_BLOCK_END,
    CHAT_TOK_NAME,
    CHAT_TOK_STRING,
    CHAT_TOK_INT,
    CHAT_TOK_FLOAT,
    CHAT_TOK_OP, /* spelled by text */
    CHAT_TOK_END
};

struct chat_token {
    enum chat_tok kind;
    struct chat_str text; /* of strings what they stand for */
    union {
        int64_t i;
        double f;
    } u;
    size_t at; /* offset in the template */
};

struct chat_tokens {
    struct chat_token *at; /* ends with CHAT_TOK_END; owned */
    size_t n, cap;
};

/* Cut a template into tokens, white space taken care of. arena: for texts. */
int chat_lex(struct chat_tokens *out, struct arena *arena, struct chat_str text,
             struct err *err) WARN_UNUSED;

/* "line 3, column 7: ..." of an offset in the template. */
int chat_bad(struct err *err, enum err_code code, struct chat_str text, size_t at, const char *fmt,
             ...) __attribute__((format(printf, 5, 6)));

/* ---- values ---------------------------------------------------------------------------- */

enum chat_type {
    CHAT_UNDEFINED, /* u.s: its name */
    CHAT_NONE,
    CHAT_BOOL,
    CHAT_INT,
    CHAT_FLOAT,
    CHAT_STR,
    CHAT_LIST,
    CHAT_TUPLE,
    CHAT_DICT,
    CHAT_SPACE, /* namespace() */
    CHAT_LOOP,
    CHAT_METHOD,
    CHAT_FUNC,
    CHAT_MACRO,
    CHAT_ABSENT /* an argument that was not given */
};

struct chat_value;
struct chat_pair;
struct chat_func;

struct chat_list {
    struct chat_value *at;
    size_t n, cap;
};

struct chat_dict {
    struct chat_pair *at; /* in the order they came */
    size_t n, cap;
};

struct chat_value {
    enum chat_type type;
    union {
        bool b;
        int64_t i;
        double f;
        struct chat_str s;
        struct chat_list *list;
        struct chat_dict *dict;
        struct chat_loop *loop;
        struct chat_method *method;
        const struct chat_func *func;
        struct chat_macro *macro;
    } u;
};

struct chat_pair {
    struct chat_value key, value;
};

struct chat_method {
    struct chat_value self;
    const struct chat_func *func;
};

/* ---- tree ------------------------------------------------------------------------------ */

enum chat_kind {
    /* statements */
    CHAT_N_TEXT,     /* text */
    CHAT_N_PRINT,    /* a */
    CHAT_N_IF,       /* a; body; other: else; of an elif, one CHAT_N_IF alone */
    CHAT_N_FOR,      /* a target, b values, c filter or NULL; body; other: else */
    CHAT_N_SET,      /* a target, b value */
    CHAT_N_SET_TEXT, /* a target, b: a filter chain around CHAT_N_HOLE or NULL; body */
    CHAT_N_MACRO,    /* text: name; list: parameters (CHAT_N_PARAM); body */
    CHAT_N_CALLER,   /* call block: a the call; list: parameters; body */
    CHAT_N_FILTERED, /* filter block: b as in set; body */
    CHAT_N_WITH,     /* list: CHAT_N_SET; body */
    CHAT_N_MARK,     /* generation; body */
    CHAT_N_BREAK,
    CHAT_N_CONTINUE,
    /* expressions */
    CHAT_N_CONST, /* value */
    CHAT_N_NAME,  /* text */
    CHAT_N_TUPLE, /* list */
    CHAT_N_LIST,  /* list */
    CHAT_N_DICT,  /* list: CHAT_N_PAIR (a key, b value) */
    CHAT_N_PAIR,
    CHAT_N_ATTR,    /* a.text */
    CHAT_N_ITEM,    /* a[b] */
    CHAT_N_SLICE,   /* a[b:c:list]; each may be NULL */
    CHAT_N_CALL,    /* a(list) */
    CHAT_N_KEYWORD, /* text = a, among arguments */
    CHAT_N_STAR,    /* *a */
    CHAT_N_STARS,   /* **a */
    CHAT_N_FILTER,  /* a | func(list); text: its name; func NULL: unknown */
    CHAT_N_TEST,    /* a is func(list) */
    CHAT_N_HOLE,    /* the text of a block */
    CHAT_N_NOT,
    CHAT_N_NEGATE,
    CHAT_N_PLUS,
    CHAT_N_AND,
    CHAT_N_OR,
    CHAT_N_BINARY,  /* a op b */
    CHAT_N_CONCAT,  /* list */
    CHAT_N_COMPARE, /* a, then list of CHAT_N_AGAINST (op, a) */
    CHAT_N_AGAINST,
    CHAT_N_COND,  /* a if b else c; c may be NULL */
    CHAT_N_PARAM, /* text; a: default or NULL */
};

enum chat_op {
    CHAT_ADD,
    CHAT_SUB,
    CHAT_MUL,
    CHAT_DIV,
    CHAT_FLOOR,
    CHAT_MOD,
    CHAT_POW,
    CHAT_EQ,
    CHAT_NE,
    CHAT_LT,
    CHAT_LE,
    CHAT_GT,
    CHAT_GE,
    CHAT_IN,
    CHAT_NOT_IN
};

struct chat_node {
    enum chat_kind kind;
    enum chat_op op;
    size_t at; /* offset in the template */
    struct chat_str text;
    struct chat_value value;
    const struct chat_func *func;
    struct chat_node *a, *b, *c;
    struct chat_node *list;         /* linked by next */
    struct chat_node *body, *other; /* statements, linked by next */
    struct chat_node *next;
};

struct chat {
    struct chat_str text; /* the template, line ends as "\n" */
    struct chat_node *body;
    bool marks;
    struct arena arena;
};

struct chat_parser {
    struct chat *chat;
    const struct chat_token *tok; /* the next one */
    size_t depth, loops;          /* open blocks and brackets; loops around here */
    struct err *err;
};

/* Tokens to c->body. */
int chat_parse(struct chat *c, const struct chat_tokens *tokens, struct err *err) WARN_UNUSED;

/* Of the parser; those of type int return 0 or the error's code. chat_node.c: */
bool chat_is_op(const struct chat_token *t, const char *op);
bool chat_is_name(const struct chat_token *t, const char *name);
bool chat_at_op(const struct chat_parser *p, const char *op);
bool chat_at_name(const struct chat_parser *p, const char *name);
bool chat_skip_op(struct chat_parser *p, const char *op);
bool chat_skip_name(struct chat_parser *p, const char *name);
int chat_need_op(struct chat_parser *p, const char *op) WARN_UNUSED;
/* "expected ..., found ..." at the next token. */
int chat_expected(const struct chat_parser *p, const char *what);
int chat_deeper(struct chat_parser *p) WARN_UNUSED; /* and p->depth-- afterwards */
struct chat_node *chat_node_new(struct chat_parser *p, enum chat_kind kind, size_t at);
/* A node with two children, the first of which was *a. */
int chat_join(struct chat_node **a, struct chat_parser *p, enum chat_kind kind, size_t at,
              struct chat_node *b) WARN_UNUSED;
int chat_name_node(struct chat_node **out, struct chat_parser *p, enum chat_kind kind) WARN_UNUSED;

/* chat_primary.c: */
int chat_word(struct chat_node **out, struct chat_parser *p) WARN_UNUSED; /* a name, a constant */
int chat_primary(struct chat_node **out, struct chat_parser *p) WARN_UNUSED;
int chat_attribute(struct chat_node **n, struct chat_parser *p) WARN_UNUSED; /* ".name" after *n */
int chat_postfix(struct chat_node **n, struct chat_parser *p) WARN_UNUSED;   /* these, [], calls */
/* "| a | b(1)" around *out; begin: the first | is left out. */
int chat_filters(struct chat_node **out, struct chat_parser *p, bool begin) WARN_UNUSED;
int chat_filters_and_tests(struct chat_node **n, struct chat_parser *p) WARN_UNUSED;

/* chat_expr.c: */
int chat_expr(struct chat_node **out, struct chat_parser *p) WARN_UNUSED;
/* With commas a tuple; cond: conditional expressions are taken, too. */
int chat_expr_tuple(struct chat_node **out, struct chat_parser *p, bool cond) WARN_UNUSED;
/* What may be assigned to: names, tuples of them, name.attribute (space). */
int chat_target(struct chat_node **out, struct chat_parser *p, bool space) WARN_UNUSED;

/* ---- running --------------------------------------------------------------------------- */

struct chat_scope {
    struct chat_scope *up;
    struct chat_dict names;
};

struct chat_loop {
    const struct chat_list *items;
    size_t i, depth;
    struct chat_value changed; /* what changed() was last given */
};

struct chat_macro {
    const struct chat_node *node;
    struct chat_scope *scope; /* where it was defined */
};

enum chat_flow { CHAT_GO, CHAT_BREAK, CHAT_CONTINUE };

struct chat_run {
    const struct chat *chat;
    const struct chat_vars *vars;
    struct chat_text *result;
    struct arena arena;
    char *room; /* what is left of a piece of it */
    size_t room_n;
    size_t memory, steps, depth;
    struct chat_scope *scope;
    struct buf *out;
    enum chat_flow flow;
    size_t loops;
    struct chat_value hole; /* the text of the innermost filtered block */
    struct err *err;
};

/* A call: of a filter or a test `self` is what stands before it, of a method its object. */
struct chat_call {
    const struct chat_node *node; /* for messages */
    struct chat_value self;
    struct chat_value *arg;
    size_t n;
    struct chat_pair *key; /* keyword arguments */
    size_t n_keys;
    struct chat_value a[CHAT_ARGS]; /* the same in the order of func->params */
};

typedef int chat_fn(struct chat_value *out, struct chat_run *r, const struct chat_call *c);

struct chat_func {
    const char *name;
    chat_fn *fn;
    const char *params; /* "old new count"; "*": any, in arg and key */
    size_t least;       /* how many of them must be given */
};

/* The row of this name, or NULL. */
const struct chat_func *chat_row(const struct chat_func *rows, size_t n, struct chat_str name);

/* Rows for a name, or NULL. type: of the object. */
const struct chat_func *chat_filter(struct chat_str name);
const struct chat_func *chat_test(struct chat_str name);
const struct chat_func *chat_method_of(enum chat_type type, struct chat_str name);
const struct chat_func *chat_str_method(struct chat_str name);
const struct chat_func *chat_global(struct chat_str name);

/* chat.c: what the result marks. */
int chat_span_add(struct chat_text *t, size_t at, size_t n, struct err *err) WARN_UNUSED;

/* chat_run.c */
int chat_body(struct chat_run *r, const struct chat_node *body) WARN_UNUSED;
int chat_call_macro(struct chat_value *out, struct chat_run *r, const struct chat_macro *m,
                    const struct chat_call *c) WARN_UNUSED;

/* chat_eval.c */
int chat_eval(struct chat_value *out, struct chat_run *r, const struct chat_node *n) WARN_UNUSED;
int chat_set(struct chat_run *r, struct chat_scope *s, struct chat_str name,
             struct chat_value v) WARN_UNUSED;
int chat_get_attr(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                  struct chat_value of, struct chat_str name) WARN_UNUSED;
int chat_get_item(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                  struct chat_value of, struct chat_value key) WARN_UNUSED;

/* chat_call.c: with the arguments list evaluated; and with those of c */
int chat_eval_call(struct chat_value *out, struct chat_run *r,
                   const struct chat_node *n) WARN_UNUSED;
int chat_call_func(struct chat_value *out, struct chat_run *r, const struct chat_func *f,
                   struct chat_call *c) WARN_UNUSED;
int chat_eval_filter(struct chat_value *out, struct chat_run *r,
                     const struct chat_node *n) WARN_UNUSED;

/* chat_math.c */
int chat_binary(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                struct chat_value a, struct chat_value b) WARN_UNUSED;
int chat_compare(bool *out, struct chat_run *r, const struct chat_node *n, enum chat_op op,
                 struct chat_value a, struct chat_value b) WARN_UNUSED;
int chat_equal(bool *out, struct chat_run *r, struct chat_value a, struct chat_value b) WARN_UNUSED;
int chat_slice(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
               struct chat_value of, const struct chat_value part[3]) WARN_UNUSED;
/* "%s of %d" with values. */
int chat_printf(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                struct chat_str format, const struct chat_list *args) WARN_UNUSED;

/* chat_value.c. Failures: ERR_NOMEM, or ERR_FORMAT where a bound is met. */
void *chat_alloc(struct chat_run *r, size_t n); /* zeroed; NULL: r->err says why */
int chat_fail(struct chat_run *r, const struct chat_node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A step: of work that a template makes us do. */
int chat_step(struct chat_run *r, size_t n) WARN_UNUSED;
/* Those of looking for m bytes everywhere in n. */
int chat_look(struct chat_run *r, size_t n, size_t m) WARN_UNUSED;
struct chat_value chat_none(void);
struct chat_value chat_bool(bool b);
struct chat_value chat_int(int64_t i);
struct chat_value chat_float(double f);
struct chat_value chat_text_of(struct chat_str s);
struct chat_value chat_undefined(struct chat_str name);
int chat_str_copy(struct chat_value *out, struct chat_run *r, const char *p, size_t n) WARN_UNUSED;
/* The same of a buffer, which is released. rc: of filling it. */
int chat_str_take(struct chat_value *out, struct chat_run *r, struct buf *b, int rc) WARN_UNUSED;
int chat_list_new(struct chat_value *out, struct chat_run *r, size_t cap) WARN_UNUSED;
int chat_list_add(struct chat_run *r, struct chat_list *l, struct chat_value v) WARN_UNUSED;
int chat_dict_new(struct chat_value *out, struct chat_run *r, size_t cap) WARN_UNUSED;
int chat_dict_put(struct chat_run *r, struct chat_dict *d, struct chat_value key,
                  struct chat_value v) WARN_UNUSED;
/* Append a tuple for every pair of d to the list *out. */
int chat_pairs(struct chat_value *out, struct chat_run *r, const struct chat_dict *d) WARN_UNUSED;
/* NULL: absent. */
struct chat_value *chat_dict_str(const struct chat_dict *d, struct chat_str key);
int chat_dict_get(struct chat_value **out, struct chat_run *r, const struct chat_dict *d,
                  struct chat_value key) WARN_UNUSED;
int chat_of_json(struct chat_value *out, struct chat_run *r, const json_val *v) WARN_UNUSED;
bool chat_true(struct chat_value v);
const char *chat_type_name(struct chat_value v); /* as Python says it */
/* What a loop goes through; a string its characters, a dict its keys. */
int chat_items(const struct chat_list **out, struct chat_run *r, const struct chat_node *n,
               struct chat_value v) WARN_UNUSED;

/* chat_text.c, chat_string.c */
int chat_put(struct chat_run *r, struct buf *b, const char *p, size_t n) WARN_UNUSED;
int chat_print(struct chat_run *r, struct buf *b, struct chat_value v) WARN_UNUSED; /* str() */
int chat_repr(struct chat_run *r, struct buf *b, struct chat_value v) WARN_UNUSED;
int chat_to_str(struct chat_str *out, struct chat_run *r, struct chat_value v) WARN_UNUSED;
struct chat_json {
    int64_t indent; /* -1: on one line */
    bool sort, ascii;
    struct chat_str item, key; /* separators */
};
int chat_json(struct chat_run *r, struct buf *b, struct chat_value v, const struct chat_json *how,
              int64_t level) WARN_UNUSED;
/* Characters of s; offset of character i (the end for more). */
size_t chat_chars(struct chat_str s);
size_t chat_char_at(struct chat_str s, size_t i);
int32_t chat_char(struct chat_str s, size_t *n); /* the first, and its bytes */
bool chat_space(int32_t c);
enum chat_case { CHAT_LOWER, CHAT_UPPER, CHAT_TITLE, CHAT_CAPITALIZE };
int chat_recase(struct chat_value *out, struct chat_run *r, struct chat_str s,
                enum chat_case how) WARN_UNUSED;
/* Without white space (chars.p NULL) or those characters. */
struct chat_str chat_strip(struct chat_str s, bool left, bool right, struct chat_str chars);
int chat_replace(struct chat_value *out, struct chat_run *r, struct chat_str s, struct chat_str old,
                 struct chat_str new_, int64_t most) WARN_UNUSED;
/* Offset of the first `what` at or after `at`, or SIZE_MAX. */
size_t chat_find_str(struct chat_str s, struct chat_str what, size_t at);

/* chat_order.c: sorted in place, of equals the first first. */
struct chat_order {
    bool reverse, any_case;
    struct chat_str attribute; /* "a.b,c" of each; p NULL: each itself */
};
int chat_sort(struct chat_run *r, const struct chat_node *n, struct chat_list *l,
              const struct chat_order *how) WARN_UNUSED;
/* "a.b" of v; an undefined value where it has none. */
int chat_path(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
              struct chat_value v, struct chat_str path) WARN_UNUSED;
/* What a value is sorted by: texts in lower case where case does not matter. */
int chat_sort_key(struct chat_value *out, struct chat_run *r, const struct chat_node *n,
                  struct chat_value v, const struct chat_order *how) WARN_UNUSED;

/* Arguments: wrong types are refused with the parameter's number. */
int chat_arg_str(struct chat_str *out, struct chat_run *r, const struct chat_call *c,
                 size_t i) WARN_UNUSED;
int chat_arg_int(int64_t *out, struct chat_run *r, const struct chat_call *c, size_t i,
                 int64_t absent) WARN_UNUSED;
int chat_self_str(struct chat_str *out, struct chat_run *r, const struct chat_call *c) WARN_UNUSED;

#endif /* RUNTIME_CHAT_CHAT_PARTS_H */
