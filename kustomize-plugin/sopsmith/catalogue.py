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
        "sopsmith get",
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
        "Declare it under `values:`, or correct the name.",
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
    "rotation-never": Entry(
        2, "the value is never to be rotated",
        "`rotation: never` marks keys of data at rest: with a new one, what the old one encrypted "
        "could not be read any more.",
        "Encrypt that data anew first and then change `rotation`, or leave the value as it is.",
        "sopsmith rotate PASSWORD_MASTER_KEY",
    ),
    "db-roles": Entry(
        2, "there are no database roles to work with",
        "No value of the recipe has a `role`, its URL is not PostgreSQL's, or the file is not what "
        "`rolesOf` derives.",
        "Say beside the password how it is changed: `role: {strategy: …}`.",
        "sopsmith postgres apply --from /etc/hostname",
    ),
    # --- could not do it: 3 -------------------------------------------------------------------
    "file-unreadable": Entry(
        3, "a file can't be read",
        "It does not exist or its permissions deny it.",
        "Check the path (relative to the recipe that names it) and its mode; `sopsmith fill` makes "
        "components that nobody made yet.",
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
    "build-failed": Entry(
        3, "kustomize could not build",
        "kustomize said so. Its own words are shown where they can hold no value.",
        "Mend what the message names; `kustomize build` by hand says the rest, where its output "
        "may be seen: it quotes whole Secrets in some of its errors.",
        "patches: [{path: no-such-file.yaml}]",
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
    "write-locked": Entry(
        3, "another sopsmith is writing in this repository",
        "All who write wait for each other, for up to a minute.",
        "Wait for the other one, or end it; then run the command again.",
        "two `sopsmith set` at once",
    ),
    "write-conflict": Entry(
        3, "a file was changed while a change of it was made",
        "Another program wrote it between our reading and our writing; its version is kept.",
        "Run the command again.",
        "an editor that saves the recipe",
    ),
    "write-failed": Entry(
        3, "a file can't be written",
        "The disk is full or read-only, or permissions deny it. All files are as they were.",
        "Mend what the message names, and run the command again.",
        "ENOSPC",
    ),
    "write-unverified": Entry(
        3, "what sops wrote is not what was meant",
        "The changed copy does not decrypt to the change, or more than that was changed. It was "
        "thrown away; the file is as it was.",
        "Check which sops is used: `sopsmith doctor`.",
        "a sops that loses a key",
    ),
    "behind": Entry(
        5, "the remote branch has commits that this one lacks",
        "Somebody pushed meanwhile, and a rotation on top of an older state would be refused.",
        "`git pull --rebase`, then the same command again.",
        "two people rotate at once",
    ),
    "not-committed": Entry(
        6, "the files are changed and git did not commit them",
        "A hook refuses the commit, or git knows no user.name and user.email.",
        "Run the git command of the hint: it shows why, or commits them. Once that is mended, "
        "`set`, `rotate`, `fill`, `import`, `restore` and `init` commit what is left if they are "
        "run again.",
        "a commit-msg hook that exits 1",
    ),
    "not-pushed": Entry(
        6, "the commit is made and the remote did not take it",
        "A hook or a rule of the branch refuses it, somebody pushed meanwhile, it can't be "
        "reached, or a push URL leads elsewhere.",
        "`git push` shows why; then the command of the hint goes on with the commit that is there.",
        "a protected branch",
    ),
    "partly-written": Entry(
        6, "some files of one change were written and others were not",
        "Writing failed midway, and putting the first ones back failed too.",
        "See `git diff`; `git checkout -- FILE` brings the old state back.",
        "a disk that is gone",
    ),
    "under-way": Entry(
        3, "a merge or its kind is under way, and --commit commits single files",
        "Until a merge, rebase, cherry-pick or revert is done, the next commit is the whole of it; "
        "and what a conflict left in git's index is settled by whoever looked at both sides.",
        "Leave out --commit; then `git add` the file, and `git commit` or `git rebase --continue`.",
        "sopsmith set TOKEN --commit, after a merge with a conflict",
    ),
    "layout-unsafe": Entry(
        3, "a file can't be changed with its layout kept",
        "An edit leaves every other byte as it is, and is checked by reading the file again; here "
        "the two could not be had together.",
        "Make the change by hand; the file is as it was.",
        "values: [POSTGRES_PASSWORD]",
    ),
    "import-source": Entry(
        2, "what is to be imported can't be read",
        "A line of a .env file is no NAME=value or its quote is never closed, a manifest holds no "
        "Secret or no base64, or it is encrypted already.",
        "Correct the line or field that the message names; `sopsmith import -` reads a pipe.",
        'PASSWORD="never closed',
    ),
    "cluster-failed": Entry(
        3, "the cluster did not give a Secret",
        "No kubeconfig, no access, no such Secret or namespace, or the cluster is out of reach.",
        "Check with `kubectl get secret`; its JSON can be piped into `sopsmith import -`.",
        "sopsmith import --secret shop/nowhere",
    ),
    "db-unreachable": Entry(
        3, "a database can't be reached",
        "Nobody answers, it starts or stops, has no connection left, or is not encrypted as the "
        "URL asks. The password is not the matter.",
        "Look at host, port, network and TLS mode; `--wait 60s` waits.",
        "sslmode=require where the server has no certificate",
    ),
    "db-standby": Entry(
        3, "the server changes nothing",
        "It is a standby, in recovery or read-only.",
        "Name the primary in the rotator's URL.",
        "a rotator's URL with the host of a replica",
    ),
    "db-pooler": Entry(
        3, "a pooler stands before the server",
        "What a session sets or locks there stays with the connection, which others get next.",
        "Let the rotator's URL name the server itself; a role that changes its own password needs "
        "a rotator then.",
        "a password in place, with PgBouncer's host in its only URL",
    ),
    "db-privilege": Entry(
        3, "the login may not change the role",
        "The rotator is missing, or has no right to change these roles; or the role is missing.",
        "`sopsmith postgres bootstrap`, once, with a superuser's login.",
        "a rotator without CREATEROLE",
    ),
    "db-locked": Entry(
        3, "somebody else changes the same roles",
        "Another operator, or a migration, holds the lock for longer than we wait, or was faster; "
        "or the server is too busy.",
        "Run it again.",
        "two syncs at once",
    ),
    "db-failed": Entry(
        3, "the server refuses a statement",
        "The SQLSTATE says why; the server's text may quote a value, so it is not shown.",
        "Look up the SQLSTATE in PostgreSQL's appendix A, and read the server's log.",
        "a database that does not exist",
    ),
    "recreate-failed": Entry(
        3, "a data directory was not re-initialised",
        "A program of PostgreSQL failed, the disk is full, or what was restored is not what was "
        "dumped. The old directory is in its place as it was, and a server that ran runs again.",
        "Mend what the message names and run the command again.",
        "postgres recreate on a full disk",
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
    "function-foreign": Entry(
        5, "a kustomization runs what is not the installed sopsmith-krm",
        "An entry under generators, transformers or validators is neither a SecretRecipe whose "
        "annotation says just `exec: {path: sopsmith-krm}` nor one of kustomize's own plugins, so "
        "git would choose what runs beside the keys.",
        "Remove it, or build without sopsmith.",
        "exec: {path: /bin/sh}",
    ),
    "remote-base": Entry(
        5, "a remote base is not pinned, or can't be looked through",
        "What another server sends may change between the look and the build.",
        "Write https://HOST/REPOSITORY//FOLDER?ref= with the whole hash of a commit, or copy it "
        "into the repository.",
        "resources: [https://example.com/org/repo//base?ref=main]",
    ),
    "sealed-for-flux": Entry(
        5, "what was sealed for Flux would be built as ciphertext",
        "A secretGenerator names an encrypted file. Flux decrypts it before it builds; anything "
        "else applies the ciphertext as the Secret.",
        "Build the overlay that lists the recipe, or let Flux build this one.",
        "sopsmith build overlays/production/flux",
    ),
    "kustomization-unclear": Entry(
        5, "a kustomization could mean something else to kustomize",
        "It has a field that is not spelt as documented, or one of Helm's, is no plain YAML, or "
        "stands beside a second one; kustomize folds the case of names and resolves anchors.",
        "Write plain YAML with the documented names; the message says where.",
        "GENERATORS: [x.yaml]",
    ),
    "path-refused": Entry(
        5, "a path leaves the root or is no regular file",
        "It is absolute, points outside the repository (also by a symlink), runs in circles, or "
        "names a device, a pipe or a folder. A file for private keys lies in a git repository.",
        "Keep files below the folder that holds .git, or set SOPSMITH_ROOT.",
        "components: [../../../etc/passwd]",
    ),
    "not-encrypted": Entry(
        5, "a component is not encrypted",
        "The file, or a value in it, is plaintext.",
        "Treat what it holds as leaked: replace it, then encrypt the file with `sops encrypt -i`. "
        "A line in an encrypted file is taken out, and set anew with `sopsmith set`.",
        "PASSWORD: hello",
    ),
    "clear-comment": Entry(
        5, "a comment stands in plaintext in an encrypted file",
        "Where sops encrypts values it encrypts comments too, so this one was put there by other "
        "hands. sops decrypts the file all the same, and its MAC covers no comment.",
        "Take it out; what explains a value belongs in the recipe. Replace a secret that stood in "
        "it: git has seen it.",
        "# SMTP_PASSWORD=hunter2",
    ),
    "tampered": Entry(
        5, "a component is not what sops wrote",
        "A ciphertext, the MAC, the time stamp or the shape was changed outside sops.",
        "Restore the file from git and find out who changed it.",
        "ENC[…] with text after the bracket",
    ),
    "wrong-environment": Entry(
        5, "a component or a sealed folder belongs to another environment",
        "Its encrypted SOPSMITH_ENVIRONMENT does not name the recipe's environment, or that of the "
        "readers whom `recipients` would give it to; or the folder's kustomization names others "
        "than the recipes that are to be sealed into it.",
        "Use the environment's own file or folder, or state the environment in the file.",
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
        "It is encrypted to the demo key, whose private half is published with sopsmith; or `init` "
        "would put new keys into the file that holds it.",
        "Encrypt to a key of your own; only the example sets SOPSMITH_ALLOW_DEMO_KEY=1.",
        "age: <the demo recipient>",
    ),
    "foreign-owner": Entry(
        5, "another program manages the passwords of this database",
        "Its roles or settings show CloudNativePG, Zalando's operator, Crunchy PGO, Vault or "
        "OpenBao. Each sets back what somebody else sets, and logins fail until it is found out.",
        "Give it the password instead: the hint says how. Where it is gone, and only a restored "
        "dump brought its roles, drop them.",
        "postgres recreate on a server of CloudNativePG",
    ),
    "recreate-refused": Entry(
        5, "this data directory is not re-initialised",
        "The wrong database was named, or a value that is not the superuser's password; it is a "
        "standby's, part of it lies elsewhere, something in it would be lost by a dump, it "
        "archives its WAL, or the command runs as root.",
        "Do what the hint says; a password alone is changed by `sopsmith postgres apply`.",
        "postgres recreate --database other",
    ),
    "foreign-key-type": Entry(
        5, "a component names a kind of key that is not allowed here",
        "The file decides which services sops contacts, so only age is allowed unasked.",
        "Set SOPSMITH_KEY_TYPES=age,kms (or pgp, gcp_kms, azure_kv, hc_vault, hckms) where you "
        "trust it.",
        "sops: {hc_vault: […]}",
    ),
    "would-be-plaintext": Entry(
        5, "a value would be written in plaintext",
        "The file's crypt rule does not select the key; sops would write it clear, with exit 0.",
        "Use another key, or correct the rule and encrypt the file anew.",
        "TOKEN_unencrypted",
    ),
    "foreign-format": Entry(
        5, "the readers of this file are sops' business",
        "It is an INI file, or YAML with several documents. `check` judges it and `recipients` "
        "tells who can read it; no command changes it, and none that should have leaves it out.",
        "Change its readers with the hint's `sops` command, then run yours again.",
        "an encrypted app.ini",
    ),
    "recipients-differ": Entry(
        5, "a component can be read by others than its rule says",
        "Its recipients are not those of the creation rule in .sops.yaml that covers it.",
        "`sopsmith recipients sync` brings it in line; find out who added a foreign one.",
        "a recipient added to the file by hand",
    ),
    "copied-ciphertext": Entry(
        5, "an encrypted file is a copy of one that others read",
        "A ciphertext or a wrapped data key stands in both, and their rules name other readers. "
        "One data key opens both files, so `recipients sync` does not give the copy to the readers "
        "of the place where it lies.",
        "Take the copy away, and encrypt by its rule what is to stand there. What is meant for the "
        "readers of both gets a data key of its own by `sops rotate -i`.",
        "cp secrets/production/shop.enc.yaml secrets/dev/",
    ),
    "crypt-rule": Entry(
        5, "a rule of what is encrypted can't be relied on",
        "A file and its creation rule differ in it, several stand side by side, it goes by "
        "comments, or it is an expression that sops takes for one that matches nothing.",
        "Correct the rule in .sops.yaml and encrypt the file anew by it.",
        "encrypted_regex: '^(?!x)'",
    ),
    "private-key": Entry(
        5, "a private key stands in a file",
        "An age, SSH, TLS or PGP private key is in plaintext in the repository.",
        "Take it out, keep it outside the repository, and replace it: git has seen it.",
        "AGE-SECRET-KEY-1…",
    ),
    "plaintext-secret": Entry(
        5, "a Kubernetes Secret stands in plaintext",
        "A document of `kind: Secret` has data that is not encrypted; base64 is no encryption.",
        "Let a recipe emit it or encrypt the file, and replace what git has seen.",
        "kind: Secret with stringData",
    ),
    "decrypted-sibling": Entry(
        5, "a decrypted copy stands beside an encrypted file",
        "A file of that name holds keys of the encrypted one in plaintext.",
        "Remove it, replace what git has seen, and let .gitignore name it.",
        "shop.dec.yaml",
    ),
    "rules-syntax": Entry(
        2, "a .sops.yaml can't be read",
        "It is no plain YAML map: broken, with tags or merge keys, a key twice, or empty.",
        "Write plain YAML with `creation_rules:`; the message names the line.",
        "creation_rules: [",
    ),
    "rules-field": Entry(
        2, "a .sops.yaml holds a field that sops ignores",
        "It is misspelt, or stands beside key_groups; sops says nothing and goes without it.",
        "Use the field that the message names.",
        "encrypted-regex: ^data$",
    ),
    "rules-value": Entry(
        2, "a creation rule holds what it can't mean",
        "Wrong type, no recipient or a malformed one, an expression that sops and sopsmith would "
        "not read alike.",
        "Correct the field that the message names.",
        "path_regex: '(?i)secrets/'",
    ),
    "rule-unreachable": Entry(
        2, "a creation rule never covers a file",
        "sops takes the first rule that matches, and an earlier one matches all of its files.",
        "Put the narrower rule first.",
        "a rule behind one without path_regex",
    ),
    "rule-missing": Entry(
        2, "no creation rule covers a component",
        "No .sops.yaml stands above it, or none of its rules matches the path: nobody has said who "
        "may read it.",
        "Add a rule to .sops.yaml; `sopsmith init` writes one.",
        "secrets/new.enc.yaml",
    ),
    "seed-changed": Entry(
        5, "a seed's check value was changed or removed",
        "Values, or the `previous` of one, are still made from the seed of that number; under "
        "another check value another seed would be taken for it.",
        "Restore it. A new seed gets a new number: `sopsmith rotate --seed`.",
        'seeds: {"1": …} with another value than on the target branch',
    ),
    "db-unverified": Entry(
        5, "a login proves nothing",
        "The server lets in without checking the password (trust, peer, ident, cert), wants it in "
        "the clear or as MD5, or the URL holds none and something else gives it.",
        "Let `pg_hba.conf` ask for `scram-sha-256`, and the URL hold the password.",
        "host all all 127.0.0.1/32 trust",
    ),
    "db-in-use": Entry(
        5, "a role is in use",
        "It is open with another password, which pods may hold; has sessions; or a Secret of "
        "the cluster names it.",
        "`sopsmith postgres retire` closes it once nobody uses it, or `sopsmith rotate` takes the "
        "other one, as the hint says; then `sopsmith postgres apply`.",
        "two rotations before the first was synced",
    ),
    "db-unseen": Entry(
        5, "a look into the cluster saw nothing of the application",
        "No Secret in that namespace has a password that git knows for the role: another "
        "namespace, cluster or environment looks like one where nobody uses the role any more.",
        "Name the namespace where the application runs; where it is not there yet, sync it first.",
        "sopsmith postgres retire --namespace shpo",
    ),
    "db-retired": Entry(
        5, "a retired version came back",
        "What git says is older than what may come back: a revert past a retirement.",
        "Rotate: forward, never back.",
        "git revert of a rotation whose old role was closed",
    ),
    "db-other-app": Entry(
        5, "the role is another application's",
        "Its comment names another application, environment or value.",
        "Use another database, or other names for the roles.",
        "staging's recipe with production's host",
    ),
    "db-adopt": Entry(
        5, "the roles are not laid out for this strategy",
        "The owner can log in, or an application's role is a superuser or has objects and rights "
        "of its own; or it has some in a database that nobody named.",
        "Name an owner that nobody logs in as; `sopsmith postgres adopt` gives it what the role "
        "has.",
        "owner: postgres",
    ),
    "adopt-halfway": Entry(
        6, "a role was adopted in some databases and not in others",
        "Each database is changed in a transaction of its own, and one of them failed after others "
        "had gone through. The role goes on in either.",
        "Mend what the other message names, then the same command again does the rest.",
        "a lock in the second database",
    ),
    "apply-halfway": Entry(
        6, "a password was changed in place, and not every login works",
        "The role had another password than git knows, or one that had expired. Nobody could read "
        "it, so it can't be put back.",
        "Mend what the other message names, then `sopsmith postgres apply` again.",
        "a first `apply`, and a second URL whose database does not exist",
    ),
    "recreate-halfway": Entry(
        6, "the old data directory waits beside its place",
        "It was renamed to make room for the new one, and could be put back neither by that run "
        "nor by this one. It is whole, and nothing was removed.",
        "Look at both directories; the hint moves the old one back.",
        "a server that made an empty directory there meanwhile",
    ),
    "db-waiting": Entry(
        6, "a rotation is on its way",
        "The database has what git says, and the cluster or its pods have not followed yet; or the "
        "other way round.",
        "Sync and let the pods roll out, then run `sopsmith postgres recover` again.",
        "sopsmith postgres recover before the sync",
    ),
    "db-unknown": Entry(
        6, "nobody knows whether a change was made",
        "The answer of the database was lost on the way.",
        "Run the same command again: it looks, and does what is left.",
        "a connection that breaks at COMMIT",
    ),
    # --- findings: 1 --------------------------------------------------------------------------
    "version-unraised": Entry(
        1, "a generated value changes without a raised version",
        "Its id, generator, seed, app or environment is not what it was, and its version is.",
        "Raise `version` by one, or undo the change.",
        "generate: {password: {length: 32}} becomes {password: {length: 40}}",
    ),
    "version-jump": Entry(
        1, "a version was raised by more than one",
        "One rotation raises it by one, past the highest that is known of the value.",
        "Set it to what the hint says.",
        "version: 4 becomes 6",
    ),
    "version-lowered": Entry(
        1, "a version was lowered",
        "An old value comes back, and nothing beside it says that this is meant.",
        "Raise it instead; `sopsmith restore` brings an old value back so that it shows.",
        "version: 4 becomes 3",
    ),
    "previous-wrong": Entry(
        1, "`previous` is not what the value was",
        "After a rotation it names the version, seed and generator from before it; otherwise it "
        "stays or goes.",
        "Write what the hint says, or let `sopsmith rotate` write it.",
        "version: 4 becomes 5, previous: {version: 3}",
    ),
    "missing": Entry(
        1, "a value is missing",
        "No component holds it and it has no default.",
        "`sopsmith set NAME` gives it; or mark it `optional: true`.",
        "SMTP_PASSWORD: {}",
    ),
    "stored-missing": Entry(
        1, "a stored value was never drawn",
        "Its kind is kept in a component, and no component holds it. A render never draws it anew.",
        "`sopsmith fill` draws it and keeps it in a component.",
        "TLS_KEY: {generate: {ecdsa: {curve: P-256}}}",
    ),
    "origin-conflict": Entry(
        1, "a component holds a value that is made elsewhere",
        "The recipe generates or derives the value; a component key would silently win over its "
        "version.",
        "Remove the key from the component, or make the value stored or given.",
        "POSTGRES_PASSWORD in shop.enc.yaml",
    ),
    "duplicate-key": Entry(
        1, "a key stands in two components",
        "The order of components has no meaning, so neither wins.",
        "Take it out of all with `sopsmith unset NAME`, and give it once with `sopsmith set`.",
        "JWT_SECRET in a.enc.yaml and b.enc.yaml",
    ),
    "not-flat": Entry(
        1, "a component holds more than a flat map of text",
        "A leaf is a number, boolean, date, null, list or map; values are text.",
        "Give it anew with `sopsmith set KEY`, which stores text.",
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
    "merge-conflict": Entry(
        1, "two branches changed one value of a component",
        "Both set the same key, or both changed who can read the file. The file holds git's marks, "
        "and is no component until somebody chose.",
        "`sopsmith merge FILE --ours KEY… --theirs KEY…`, then `git add FILE`.",
        "SMTP_PASSWORD set on two branches",
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
        "It reads like CHANGE_ME or <password>, or a component holds one character over and over.",
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
        "Store the plaintext with `sopsmith set`.",
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
    "guard-stale": Entry(
        1, "a patch names a Secret that nothing makes",
        "kustomize finds no such object to patch, and every build of the overlay fails.",
        "Name a Secret that the recipes emit: the handle under `secrets:`, or its `name`.",
        "a renamed handle, and the old one in guard.yaml",
    ),
    "seal-stale": Entry(
        1, "a sealed folder is not what the recipe gives",
        "A component, a recipe or a sealed file changed, and the folder was not sealed since.",
        "Run the command of the hint and commit what it changed.",
        "sopsmith seal overlays/production -o flux/production/secrets --check",
    ),
    "flux-name": Entry(
        1, "a Secret has a name in it that Flux can't build",
        "kustomize's secretGenerator, which Flux uses, writes keys, labels and annotations without "
        "quotes, and then reads 0, true or 1e3 as no text.",
        "Give it another name, or deliver this Secret in another way.",
        'data: {"0": TOKEN}',
    ),
    "looks-encrypted": Entry(
        1, "a value looks like an encrypted file",
        "Flux decrypts once more whatever holds such text after its build, and fails.",
        "Leave the text out, or deliver this Secret in another way.",
        "NOTES: '[sops]'",
    ),
    "conflict-marker": Entry(
        1, "a merge was left unresolved",
        "The file holds <<<<<<< and >>>>>>> lines.",
        "Resolve it; for a component `sopsmith merge FILE --ours KEY… --theirs KEY…` does, since "
        "picked lines have no MAC.",
        "<<<<<<< HEAD",
    ),
    "leftover": Entry(
        1, "a write that was killed left its unfinished file behind",
        "sopsmith writes beside a file and then renames; nothing but sopsmith reads such a name.",
        "Remove it: the next write of the file does so too.",
        ".shop.enc.yaml.sopsmith-new",
    ),
    "db-login": Entry(
        1, "a login fails",
        "The password is not the one that the database holds, the role is missing, expired or may "
        "not log in, or the database does not exist.",
        "With a `role` beside the password, `sopsmith postgres status` shows which one it holds, "
        "and `sopsmith postgres apply` sets it.",
        "a database that keeps its first password",
    ),
    # --- warnings -----------------------------------------------------------------------------
    "undeclared-key": Entry(
        1, "a component holds a key that the recipe does not declare",
        "It is left out of every Secret.",
        "Declare it under `values:` or remove it with `sopsmith unset`.",
        "OLD_TOKEN in shop.enc.yaml", "warning",
    ),
    "unused-value": Entry(
        1, "a declared value is used by nothing",
        "No Secret, derivation, rule or role refers to it.",
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
        "Give it without them: `sopsmith set`.",
        'TOKEN="abc"', "warning",
    ),
    "recipe-unlisted": Entry(
        1, "a kustomization forgets the recipe beside it",
        "The recipe declares the function, and no entry under `generators:` names it, so a build "
        "succeeds without its Secrets.",
        "Add the lines that the hint names; or take the annotation out of a recipe that "
        "kustomize is not to run.",
        "resources: [] beside a recipe.yaml",
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
    "version-restored": Entry(
        1, "a version goes back to an older one",
        "`rotated` or `previous` beside it says that this is meant, as `sopsmith restore` does.",
        "See that the old value never leaked.",
        "version: 4 becomes 3, rotated: today", "warning",
    ),
    "rotation-loosened": Entry(
        1, "a value that was never to be rotated may be now",
        "`rotation: never` marks keys of data at rest: what they encrypted is lost with them.",
        "Keep it, unless nothing is encrypted with the value any more.",
        "rotation: never becomes allowed", "warning",
    ),
    "origin-changed": Entry(
        1, "a value comes from elsewhere than before",
        "It was given, generated, stored or derived, and now is another of these.",
        "See that the value itself is what its consumers expect.",
        "TOKEN: {} becomes {generate: {bytes: {}}}", "warning",
    ),
    "not-compared": Entry(
        1, "a recipe was broken in the commit that is compared with",
        "What it was can't be told, so nothing of it is compared.",
        "Nothing, where the recipe is right now.",
        "a commit that bypassed the hooks", "warning",
    ),
    "recipe-gone": Entry(
        1, "an environment's recipe is gone",
        "The commit that is compared with had one of that app and environment; now none is found, "
        "so nothing of it is compared.",
        "Nothing, where the environment is given up; else restore the recipe where it was.",
        "git rm -r overlays/staging", "warning",
    ),
    "validated-keyless": Entry(
        1, "values were not validated: no key opens their components",
        "Only what shows without a key was checked.",
        "Set SOPS_AGE_KEY_FILE where a key is; `--require-key` makes it an error, for CI.",
        "a developer without production's key", "warning",
    ),
    "taken-along": Entry(
        1, "a commit holds more than it is named after",
        "git commits whole files, and this one had changes that no commit had: of the values or "
        "fields in the message, of who reads it, or of its comments.",
        "`git show` tells what it holds; commit earlier changes first where they are to have a "
        "commit of their own.",
        "sopsmith set A, then sopsmith set B --commit", "warning",
    ),
    "not-rendering": Entry(
        1, "the environment does not render as it is now",
        "The change was made, and something that it did not cause, or that the next one mends, "
        "keeps every Secret of the environment from being emitted. The code is in the message.",
        "Do what the hint says before it is deployed; `sopsmith validate` tells when all is well.",
        "sopsmith set GOOGLE_CLIENT_ID, without GOOGLE_CLIENT_SECRET", "warning",
    ),
    "no-recovery": Entry(
        1, "no recovery key can read a new application's seeds",
        "Every generated value comes from a seed, and only the keys in .sops.yaml open it. Where "
        "they are lost, the seeds are, and all those values.",
        "Make a key with `age-keygen` where it stays offline, and give its public half to "
        "`sopsmith recipients add`, or to `init --recovery`; `--no-recovery` says no.",
        "sopsmith init --name shop", "warning",
    ),
    "sealed-behind": Entry(
        1, "a sealed folder holds older Secrets",
        "A component or a recipe changed, and what Flux decrypts and applies was not sealed since.",
        "Run the command of the hint and commit what it changed.",
        "sopsmith rotate TOKEN, without sopsmith seal", "warning",
    ),
    "readers-kept": Entry(
        1, "a reader was named, and rules that are there were kept",
        "`init` never changes a rule: who reads an environment is reviewed on its own.",
        "`sopsmith recipients add age1…`.",
        "a second sopsmith init --recipient age1…", "warning",
    ),
    "hooks-missing": Entry(
        1, "no hook checks secrets before a commit",
        "A configuration of pre-commit is there, and `init` could not add its hooks to it.",
        "Add a local hook with the entry `sopsmith check`, or the repository of sopsmith.",
        "repos: &all []", "warning",
    ),
    "ignored-by-git": Entry(
        1, "git ignores a file that was made",
        "A line in a .gitignore leaves it out of every commit.",
        "Take the line out, or add the file with `git add --force`.",
        "secrets/ in .gitignore", "warning",
    ),
    "shallow-clone": Entry(
        3, "the clone does not hold the whole history",
        "It was made with a depth, as CI does, so what happened before is not here.",
        "`git fetch --unshallow`; in CI set the depth of the checkout to 0.",
        "git clone --depth 1", "warning",
    ),
    "import-differs": Entry(
        1, "a value was not imported: another one stands there",
        "What stands in a component, or comes from the seed or from other values, is never "
        "replaced unasked.",
        "Import it with `--take NAME`, as the hint shows; or take it out of the source, if what "
        "stands there is right.",
        "POSTGRES_PASSWORD, which init generates",
    ),
    "imported-unsound": Entry(
        1, "an imported value breaks a rule",
        "Today's value is imported as it is, and `validate` and every render will refuse it.",
        "Give a better one with `sopsmith set`, or change the rule; the message names the finding.",
        "SMTP_PASSWORD=changeme", "warning",
    ),
    "plaintext-left": Entry(
        1, "an import's source still holds the plaintext",
        "Import reads it and leaves it where it is.",
        "Delete the file when the Secrets are deployed from the repository.",
        ".env", "warning",
    ),
    "plaintext-in-git": Entry(
        1, "an import's source is in git",
        "Whoever has the repository has every value, also after the file is deleted.",
        "Rotate what can be rotated, have the rest issued anew, and ignore the file.",
        "a committed .env", "warning",
    ),
    "db-unset": Entry(
        1, "a running database keeps the password that is rotated",
        "It reads one at its first start and never again, and no `role` beside the password says "
        "how another one is set there. Pods that get the new one can't log in.",
        "Say how: `role: {strategy: in-place}`, or two roles that take turns; then "
        "`sopsmith postgres apply`.",
        "POSTGRES_PASSWORD: {generate: {password: {}}} and a DATABASE_URL", "warning",
    ),
    "db-unread": Entry(
        1, "nobody tried to log in by a database's URL",
        "It was given as a whole and lacks user or password, names several servers of a Redis, or "
        "can't be read without doubt. The application may have the rest elsewhere, or read it "
        "otherwise.",
        "Derive it with `derive: {url: …}`, or give all of it, percent-encoded.",
        "LEGACY_URL: postgresql://db/shop, with PGUSER and PGPASSWORD", "warning",
    ),
    "db-owner": Entry(
        1, "the owner of two alternating roles may create nothing in their database",
        "The database belongs to somebody else, as it did before `bootstrap`, which gives away "
        "what a superuser has and nothing else. The application's own migrations fail.",
        "Give the owner the database; where others make all tables, nothing is wrong.",
        "CREATE DATABASE shop OWNER somebody", "warning",
    ),
    "db-superuser": Entry(
        1, "a superuser has a password of the application's",
        "PostgreSQL's image makes a superuser of POSTGRES_USER, and `adopt` leaves it one. No "
        "rotation changes it: whoever has that version, by a leak say, logs in as a superuser.",
        "Once no application logs in as it, give it another password, or none.",
        "adopt --role postgres, where the application logged in as it", "warning",
    ),
    "db-first-start": Entry(
        1, "a new server makes a superuser of an application's role",
        "PostgreSQL's image makes one of POSTGRES_USER and POSTGRES_PASSWORD, which here are those "
        "of two alternating roles. `bootstrap` refuses such a role, and after a leak its former "
        "password opens everything.",
        "Give that Secret a user and a password of their own.",
        "hash: false, keys: [POSTGRES_USER, POSTGRES_PASSWORD]", "warning",
    ),
    "overdue": Entry(
        1, "a value is older than its maxAge",
        "`rotated` plus `maxAge` has passed, or `rotated` is not stated.",
        "Raise `version` and set `rotated` in the leaf.",
        "rotated: 2024-01-01, maxAge: 90d", "warning",
    ),
}  # fmt: skip
