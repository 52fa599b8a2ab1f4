"""What can be found and what each finding means: the catalogue behind messages and exit codes.

The page in kustomize-plugin/README.md is made from it by `sopsmith schema --findings`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Entry(NamedTuple):
    """One line of the catalogue."""

    exit: int  # of an error: 1 findings, 2 usage or recipe, 3 could not, 4 bug, 5 refused
    title: str
    cause: str
    fix: str
    example: str
    severity: Severity = "error"


CATALOGUE: dict[str, Entry] = {
    # --- wrong usage or recipe: 2 -------------------------------------------------------------
    "usage": Entry(
        2, "the command line does not fit",
        "An argument is missing, unknown or of the wrong form.",
        "Run the command with --help; it ends with examples.",
        "sopsmith render",
    ),
    "function-input": Entry(
        2, "standard input is not one function call",
        "The text is no ResourceList with exactly one functionConfig, or it carries resources of "
        "others: sopsmith-krm only generates.",
        "List the recipe under `generators:` of a kustomization.yaml, not under `transformers:`.",
        "transformers: [recipe.yaml]",
    ),
    "recipe-syntax": Entry(
        2, "the file is not one plain YAML document",
        "Broken YAML, a duplicate key, an anchor, alias, merge key or tag, a second document, an "
        "empty value, more than 64 levels, more than 1 MiB, UTF-16 or NUL.",
        "Write plain YAML 1.2; the message names the line.",
        "spec: &anchor {app: shop}",
    ),
    "recipe-kind": Entry(
        2, "the file is no SecretRecipe of a known version",
        "`apiVersion` or `kind` is missing or another's.",
        "Start the file with `apiVersion: sopsmith.dev/v1alpha1` and `kind: SecretRecipe`.",
        "apiVersion: sopsmith.dev/v1",
    ),
    "recipe-field": Entry(
        2, "a field has no meaning where it stands",
        "It is misspelt, belongs elsewhere, or contradicts a field beside it.",
        "Use the field that the message names; `sopsmith schema` lists them all.",
        "secerts: {}",
    ),
    "recipe-value": Entry(
        2, "a field holds what it can't mean",
        "Wrong type or range, an unquoted number where text is meant, a name of the wrong form.",
        "Write what the message asks for; quote text that looks like a number or a date.",
        "version: -1",
    ),
    "recipe-extends": Entry(
        2, "the recipes do not fit together",
        "`extends` runs in a circle, names a leaf, or joins two different apps.",
        "Extend bases only (recipes without `environment`), of one app.",
        "extends: recipe.yaml",
    ),
    "recipe-incomplete": Entry(
        2, "the merged recipe lacks a field",
        "A leaf needs app, environment, and what its values refer to.",
        "Add the field; `sopsmith resolve` prints the merged recipe.",
        "spec: {app: shop}",
    ),
    "recipe-origin": Entry(
        2, "a value's origin is unclear",
        "A value has exactly one of `default`, `generate`, `derive` (none means given), and fields "
        "of an origin it does not have contradict it.",
        "Keep one origin; in a leaf, check the spelling of the value's name.",
        "TOKEN: {generate: {password: {}}, derive: {template: x}}",
    ),
    "recipe-name": Entry(
        2, "a name refers to nothing",
        "`$(NAME)`, `keys`, `data` or `differsFrom` names a value that the recipe does not "
        "declare.",
        "Declare the value or correct the name; the nearest one is in the hint.",
        "derive: {template: $(PASWORD)}",
    ),
    "recipe-cycle": Entry(
        2, "derived values need each other",
        "Two or more derivations run in a circle.",
        "Cut the circle that the message spells out.",
        "A derives from B, B from A",
    ),
    "recipe-empty": Entry(
        2, "nothing to emit",
        "The recipe names no Secret, or no recipe is named at all.",
        "Add an entry under `secrets:`. Emitting nothing would delete the live Secret.",
        "secrets: {}",
    ),
    "secret-collision": Entry(
        2, "two Secrets share one name",
        "Two entries emit the same name in the same namespace.",
        "Give one of them another `name` or `namespace`.",
        "recipes: [a.yaml, a.yaml]",
    ),
    # --- could not do it: 3 -------------------------------------------------------------------
    "file-unreadable": Entry(
        3, "a file can't be read",
        "It does not exist or its permissions deny it.",
        "Check the path (relative to the recipe that names it) and its mode.",
        "components: [shop.enc.yml]",
    ),
    "no-key": Entry(
        3, "no key opens a component",
        "No private key is configured, none fits the file's recipients, or it is locked with a "
        "passphrase and nobody is there to type it.",
        "Set SOPS_AGE_KEY_FILE to an absolute path; `sopsmith doctor` shows what is found.",
        "SOPS_AGE_KEY_FILE=/nowhere",
    ),
    "program-missing": Entry(
        3, "a program is missing or too old",
        "sops is not on PATH, not executable, or older than 3.11.",
        "Install it, or run `make demo` in a checkout; `sopsmith doctor` shows what is found.",
        "PATH without sops",
    ),
    "program-failed": Entry(
        3, "a program did not do its work",
        "It failed, crashed, was killed, or printed what it never should.",
        "Run the sops command that the hint shows by hand, on a machine where its output may be "
        "seen.",
        "sops out of memory",
    ),
    "program-timeout": Entry(
        3, "a program did not finish in time",
        "sops waits for a key service, a passphrase or a device.",
        "Check the key source; SOPSMITH_SOPS_TIMEOUT sets the limit in seconds.",
        "a KMS that is out of reach",
    ),
    "output-failed": Entry(
        3, "the result could not be written",
        "Standard output is closed or its disk is full.",
        "Check where the output goes; nothing of it counts.",
        "sopsmith-krm >/dev/full",
    ),
    # --- our bug: 4 ---------------------------------------------------------------------------
    "bug": Entry(
        4, "sopsmith met what it did not expect",
        "A fault in sopsmith.",
        "Report the lines that it printed; they hold no values.",
        "",
    ),
    # --- refused: 5 ---------------------------------------------------------------------------
    "function-refused": Entry(
        5, "the function's declaration is refused",
        "The annotation config.kubernetes.io/function carries envs, args or a container: git would "
        "choose what the function trusts.",
        "Keep only `exec: {path: sopsmith-krm}`.",
        "exec: {path: sopsmith-krm, envs: [PATH=/tmp]}",
    ),
    "path-refused": Entry(
        5, "a path leaves the root or is no regular file",
        "It is absolute, points outside the repository (also by a symlink), runs in circles, or "
        "names a device, a pipe or a folder.",
        "Keep files below the folder that holds .git, or set SOPSMITH_ROOT.",
        "components: [../../../etc/passwd]",
    ),
    "not-encrypted": Entry(
        5, "a component is not encrypted",
        "The file, or a value in it, is plaintext.",
        "Treat what it holds as leaked: replace it, then encrypt the file with `sops encrypt -i`.",
        "PASSWORD: hello",
    ),
    "tampered": Entry(
        5, "a component is not what sops wrote",
        "A ciphertext, the MAC, the time stamp or the shape was changed outside sops.",
        "Restore the file from git and find out who changed it.",
        "ENC[…] with text after the bracket",
    ),
    "wrong-environment": Entry(
        5, "a component belongs to another environment",
        "Its encrypted SOPSMITH_ENVIRONMENT does not name the recipe's environment.",
        "Use the environment's own file, or state the environment in it.",
        "production reading staging's file",
    ),
    "seed-refused": Entry(
        5, "a seed is missing or not the one the recipe knows",
        "It is absent, no 64 hex characters, all zeros, or its check value differs from the one "
        "under `seeds:`.",
        "Restore the component; for a new seed, put the check value that the hint shows under "
        "`seeds:`.",
        'seeds: {"1": 00…}',
    ),
    "demo-key": Entry(
        5, "a component is readable by everyone",
        "It is encrypted to the demo key, whose private half is published with sopsmith.",
        "Encrypt to a key of your own; only the example sets SOPSMITH_ALLOW_DEMO_KEY=1.",
        "age: <the demo recipient>",
    ),
    "foreign-key-type": Entry(
        5, "a component names a kind of key that is not allowed here",
        "The file decides which services sops contacts, so only age is allowed unasked.",
        "Set SOPSMITH_KEY_TYPES=age,kms (or pgp, gcp_kms, azure_kv, hc_vault, hckms) where you "
        "trust it.",
        "sops: {hc_vault: […]}",
    ),
    # --- findings: 1 --------------------------------------------------------------------------
    "missing": Entry(
        1, "a value is missing",
        "No component holds it and it has no default.",
        "Add it to a component with `sops edit`, or mark it `optional: true`.",
        "SMTP_PASSWORD: {}",
    ),
    "stored-missing": Entry(
        1, "a stored value was never drawn",
        "Its kind is kept in a component, and no component holds it. A render never draws it anew.",
        "Generate it once and keep it in a component with the command in the hint.",
        "TLS_KEY: {generate: {ecdsa: {curve: P-256}}}",
    ),
    "origin-conflict": Entry(
        1, "a component holds a value that is made elsewhere",
        "The recipe generates or derives the value; a component key would silently win over its "
        "version.",
        "Remove the key from the component with `sops unset`, or make the value stored or given.",
        "POSTGRES_PASSWORD in shop.enc.yaml",
    ),
    "duplicate-key": Entry(
        1, "a key stands in two components",
        "The order of components has no meaning, so neither wins.",
        "Remove one with `sops unset`.",
        "JWT_SECRET in a.enc.yaml and b.enc.yaml",
    ),
    "not-flat": Entry(
        1, "a component holds more than a flat map of text",
        "A leaf is a number, boolean, date, null, list or map; values are text.",
        'Quote it: `sops set FILE \'["KEY"]\' \'"5432"\'`.',
        "PORT: 5432",
    ),
    "not-text": Entry(
        1, "bytes stand where text is needed",
        "A value that is not UTF-8 is checked or derived from as text.",
        "Emit it under `data:` as it is, or store text.",
        "derive: {template: $(KEYSTORE)}",
    ),
    "group-incomplete": Entry(
        1, "half a group is given",
        "All values of a group are given, or none.",
        "Add the missing ones or remove the others.",
        "GOOGLE_CLIENT_ID without GOOGLE_CLIENT_SECRET",
    ),
    "min-length": Entry(
        1, "a value is too short",
        "It has fewer characters than `rules.minLength` (1 where nothing is said).",
        "Replace it with a longer one.",
        'PASSWORD: ""',
    ),
    "max-length": Entry(
        1, "a value is too long",
        "It has more characters than `rules.maxLength`.",
        "Replace it with a shorter one.",
        "rules: {maxLength: 64}",
    ),
    "weak": Entry(
        1, "a value is too easy to guess",
        "Its estimated entropy is under `rules.minEntropy`, or a generator yields under 128 bits "
        "and no `minEntropy` says that this is meant.",
        "Use a random value or a longer generator.",
        "generate: {password: {length: 8}}",
    ),
    "placeholder": Entry(
        1, "a placeholder was left in",
        "The value reads like CHANGE_ME or <password>.",
        "Put the real value in; where it is meant, `rules: {placeholder: true}`.",
        "SMTP_PASSWORD: CHANGE_ME",
    ),
    "pattern": Entry(
        1, "a value does not match its pattern",
        "`rules.pattern` has to match the whole value.",
        "Correct the value or the pattern.",
        "rules: {pattern: 'sk_live_[A-Za-z0-9]+'}",
    ),
    "same-value": Entry(
        1, "two values that must differ are equal",
        "`rules.differsFrom` names the other.",
        "Replace one of them.",
        "JWT_REFRESH_SECRET = JWT_SECRET",
    ),
    "url-format": Entry(
        1, "a value is no valid URL",
        "Scheme or host is missing, the port is no number, or a character is not percent-encoded.",
        "Derive it with `derive: {url: …}`, which encodes every part.",
        "postgresql://app:p@ss/word@db/shop",
    ),
    "not-parsed-back": Entry(
        1, "a derived URL does not read back as its parts",
        "A part holds what a URL can't carry there, such as a host with a space or port 99999.",
        "Correct the part that the message names.",
        "port: 99999",
    ),
    "literal-password": Entry(
        1, "a password stands in the recipe",
        "`url.password` holds literal text, in plaintext and in git.",
        "Refer to a value: `password: $(POSTGRES_PASSWORD)`; treat the literal as leaked.",
        "url: {password: hunter2}",
    ),
    "leftover-ciphertext": Entry(
        1, "a value still is, or holds, ciphertext",
        "It contains `ENC[AES256_GCM,`: it was encrypted twice or copied from an encrypted file.",
        "Store the plaintext with `sops edit`.",
        "TOKEN: ENC[AES256_GCM,…]",
    ),
    "secret-key": Entry(
        1, "a Secret key has a name that Kubernetes refuses",
        "Keys have 1 to 253 characters of A-Z a-z 0-9 - _ . and do not start with two dots.",
        "Emit the value under another name in `data:`.",
        'data: {"a b": TOKEN}',
    ),
    "secret-size": Entry(
        1, "a Secret is over 1 MiB",
        "Kubernetes refuses more than 1,048,576 bytes of decoded data in one Secret.",
        "Split it into several Secrets.",
        "data: {dump.tar: DUMP}",
    ),
    "secret-type": Entry(
        1, "a Secret lacks what its type demands",
        "Kubernetes refuses the type without certain keys, such as tls.crt and tls.key.",
        "Emit those keys in `data:` or drop the type.",
        "type: kubernetes.io/tls",
    ),
    "secret-empty": Entry(
        1, "a Secret would be empty",
        "Every value it names is optional and absent.",
        "Give one of them or remove the Secret. Emitting nothing would delete the live Secret.",
        "keys: [SMTP_PASSWORD]",
    ),
    # --- warnings -----------------------------------------------------------------------------
    "undeclared-key": Entry(
        1, "a component holds a key that the recipe does not declare",
        "It is left out of every Secret.",
        "Declare it under `values:` or remove it with `sops unset`.",
        "OLD_TOKEN in shop.enc.yaml", "warning",
    ),
    "unused-value": Entry(
        1, "a declared value is used by nothing",
        "No Secret, derivation or rule refers to it.",
        "Emit it or remove it.",
        "values: {OLD_TOKEN: {}}", "warning",
    ),
    "environment-unstated": Entry(
        1, "a component does not say whose it is",
        "Without an encrypted SOPSMITH_ENVIRONMENT a file copied to another environment goes "
        "unnoticed.",
        "Add it: `sops set --value-stdin FILE '[\"SOPSMITH_ENVIRONMENT\"]'`.",
        "shop.enc.yaml without SOPSMITH_ENVIRONMENT", "warning",
    ),
    "leftover-encoding": Entry(
        1, "a value looks encoded twice",
        "It is base64 of text, or starts with a byte order mark.",
        "Store the decoded text; Kubernetes encodes it.",
        "TOKEN: aHVudGVyMi1odW50ZXIyCg==", "warning",
    ),
    "leftover-space": Entry(
        1, "a value has stray white space",
        "It starts or ends with a blank or ends with one line break, or it has CRLF line ends.",
        "Store it without; `printf %s` writes no line break.",
        'PASSWORD: "hunter2\\n"', "warning",
    ),
    "leftover-quotes": Entry(
        1, "a value is wrapped in quotes",
        "In a .env file quotes are part of the value, for sops and for Kubernetes.",
        "Remove them with `sops edit FILE`.",
        'TOKEN="abc"', "warning",
    ),
    "guard-missing": Entry(
        1, "an overlay would not notice that its function was skipped",
        "No patch in the kustomization names a Secret that its recipes emit, so a build without "
        "--enable-exec succeeds and emits none of them.",
        "Add a patch that names one of the Secrets, as overlays/production/guard.yaml does.",
        "generators: [recipe.yaml] without patches", "warning",
    ),
    "secret-large": Entry(
        1, "a Secret is too large for client-side apply",
        "Over 190 KiB its copy in the last-applied annotation passes the limit of annotations.",
        "Use server-side apply or split it.",
        "data: {dump.tar: DUMP}", "warning",
    ),
    "hash-guessable": Entry(
        1, "a hashed Secret holds nothing hard to guess",
        "The name suffix is a fingerprint of the content; without one value of 128 bits it can be "
        "tried offline.",
        "Set `hash: false` or add a strong value.",
        "data: {user: POSTGRES_USER}", "warning",
    ),
    "overdue": Entry(
        1, "a value is older than its maxAge",
        "`rotated` plus `maxAge` has passed, or `rotated` is not stated.",
        "Raise `version` and set `rotated` in the leaf.",
        "rotated: 2024-01-01, maxAge: 90d", "warning",
    ),
}  # fmt: skip
