package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/verdict"
)

// hostileToken has the form of a token, but no service knows it.
const hostileToken = "assay_0123456789ABCDEFGHIJKLMNOPQRSTUV0jfF3F"

// A hostileHost is what assay is run against: an https service that speaks HTTP/2,
// whose answer, code 5, repeats the token.
type hostileHost struct {
	t    *testing.T
	root string
	args []string
}

func newHostileHost(t *testing.T) *hostileHost {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Assay-Version", "9.9.9-"+r.Header.Get("Authorization"))
		json.NewEncoder(w).Encode(verdict.Verdict{Version: verdict.Version, Scan: "s1", Decision: verdict.Decision{
			Outcome: verdict.Untrusted, Code: 5,
			Reasons: []verdict.Reason{{Rule: "no-data", Text: "for " + r.Header.Get("Authorization") + " ##vso[x] \x1b[31m\u202e"}},
		}})
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	h := &hostileHost{t: t, root: t.TempDir()}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	h.args = []string{"-d", h.root, "--server", server.URL, "--cacert", ca, "--timeout", "60s"}
	return h
}

// run runs assay in an environment, checks that the token is not in its output, and
// returns the exit code and the output.
func (h *hostileHost) run(env []string, args ...string) (int, string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "assay"), append(slices.Clone(h.args), args...)...)
	cmd.Env = env
	cmd.Dir = h.t.TempDir()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		h.t.Fatal(err)
	}
	if ctx.Err() != nil {
		h.t.Errorf("%q: did not end", env)
	}
	if strings.Contains(out.String(), hostileToken[6:30]) {
		h.t.Errorf("%q: the token is in the log:\n%s", env, &out)
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		h.t.Errorf("%q: left %v, %v", env, left, err)
	}
	return code, out.String()
}

// environmentDoc returns the rows of the table in docs/environment.md by variable.
func environmentDoc(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("docs/environment.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(b)) {
		first, rest, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !ok || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(first, -1) {
			rows[name[1]] = rest
		}
	}
	if len(rows) < 40 {
		t.Fatalf("only %d variables in docs/environment.md", len(rows))
	}
	return rows
}

// TestEnvironment runs a scan over https with each variable of docs/environment.md
// set to something hostile.
func TestEnvironment(t *testing.T) {
	h := newHostileHost(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	never := filepath.Join(t.TempDir(), "never")
	// The server, its CA and the root are given as flags, which count before variables.
	// What is said, and the codes that the run may end with; the default is 5.
	type want struct {
		say   string
		codes []int
	}
	values := map[string]map[string]want{
		"GODEBUG":                  {"http2debug=1": {}, "http2debug=2": {}, "netdns=go+2": {}, "fips140=only": {}, "tls10server=1,tlsrsakex=1": {}},
		"GOGC":                     {"off": {}, "x": {}, "1": {}},
		"GOMEMLIMIT":               {"1KiB": {}, "x": {codes: []int{2}}},
		"GOMAXPROCS":               {"1": {}, "x": {}, "200": {}},
		"GOTRACEBACK":              {"crash": {}, "system": {}},
		"GOROOT":                   {fifo: {}},
		"TZ":                       {":" + fifo: {}, fifo: {}},
		"ZONEINFO":                 {fifo: {}},
		"TMPDIR":                   {fifo: {}},
		"HOME":                     {fifo: {}},
		"PWD":                      {fifo: {}, "/": {}},
		"XDG_CACHE_HOME":           {fifo: {}},
		"XDG_CONFIG_HOME":          {fifo: {}},
		"LOCALDOMAIN":              {"evil.example": {}},
		"RES_OPTIONS":              {"debug": {}},
		"HOSTALIASES":              {fifo: {}},
		"ASR_CONFIG":               {fifo: {}},
		"LocalAppData":             {fifo: {}},
		"AppData":                  {fifo: {}},
		"home":                     {fifo: {}},
		"PSHOME":                   {"x": {}},
		"0":                        {"zsh": {}},
		"CLI_TEMPLATE_ERROR_DEBUG": {"1": {}},
		"DEBUG_HTTP2_GOROUTINES":   {"1": {}},
		"REQUEST_METHOD":           {"GET": {}},
		"SSL_CERT_FILE":            {fifo: {say: "SSL_CERT_FILE is set and was ignored"}},
		"SSL_CERT_DIR":             {"/tmp": {say: "SSL_CERT_DIR is set and was ignored"}},
		"HTTPS_PROXY":              {"http://127.0.0.1:1": {}, "%%": {codes: []int{2, 5}}},
		"https_proxy":              {"socks5://127.0.0.1:1": {}},
		"HTTP_PROXY":               {"http://127.0.0.1:1": {}},
		"http_proxy":               {"%%": {}},
		"NO_PROXY":                 {"*": {}},
		"no_proxy":                 {"%": {}},
		"NO_COLOR":                 {"1": {}},
		"LD_PRELOAD":               {fifo: {}},
		"LD_LIBRARY_PATH":          {fifo: {}},
		"PATH":                     {fifo: {}},

		"BUILDKIT_SCAN_SOURCE":        {never: {say: "BUILDKIT_SCAN_SOURCE is set and was ignored"}},
		"BUILDKIT_SCAN_SOURCE_EXTRAS": {fifo: {say: "BUILDKIT_SCAN_SOURCE_EXTRAS is set and was ignored"}},
		"BUILDKIT_SCAN_DESTINATION":   {fifo: {say: "BUILDKIT_SCAN_DESTINATION is set and was ignored"}},
		"BUILDKIT_SCAN_":              {"x": {say: "BUILDKIT_SCAN_ is set and was ignored"}},

		"ASSAY_SERVER":              {"http://127.0.0.1:1": {}},
		"ASSAY_CACERT":              {fifo: {}},
		"ASSAY_TOKEN":               {hostileToken: {}},
		"ASSAY_TOKEN_FILE":          {fifo: {codes: []int{2}}, "/dev/zero": {codes: []int{2}}, never: {codes: []int{2}}},
		"ASSAY_FORMAT":              {"json": {say: "ASSAY_FORMAT is set and was ignored"}},
		"ASSAY_HTML":                {"true": {say: "ASSAY_HTML is set and was ignored"}},
		"ASSAY_OUTPUT":              {"json=" + fifo: {codes: []int{2}}, "json=/dev/zero": {codes: []int{2}}, "json=/dev/stdout": {}, "text=/dev/stderr": {}},
		"ASSAY_ON_ERROR":            {"warn": {say: "ASSAY_ON_ERROR is set and was ignored"}},
		"ASSAY_NO_VERIFY":           {"true": {say: "ASSAY_NO_VERIFY is set and was ignored"}},
		"ASSAY_NO_OS_PACKAGES":      {"true": {say: "ASSAY_NO_OS_PACKAGES is set and was ignored"}},
		"ASSAY_ROOT":                {never: {}},
		"ASSAY_SKIP":                {"/": {say: "ASSAY_SKIP is set and was ignored"}},
		"ASSAY_FAIL_ON":             {"none": {}, "x": {codes: []int{2}}},
		"ASSAY_UNRATED":             {"low": {}, "x": {codes: []int{2}}},
		"ASSAY_GRACE":               {"1d": {}, "x": {codes: []int{2}}},
		"ASSAY_MAX_AGE":             {"1h": {}, "x": {codes: []int{2}}},
		"ASSAY_IGNORE_FILE":         {fifo: {say: "ASSAY_IGNORE_FILE is set and was ignored"}},
		"ASSAY_VEX":                 {fifo: {say: "ASSAY_VEX is set and was ignored"}},
		"ASSAY_VEX_PRODUCT":         {"pkg:oci/x": {say: "ASSAY_VEX_PRODUCT is set and was ignored"}},
		"ASSAY_BASELINE":            {fifo: {say: "ASSAY_BASELINE is set and was ignored"}},
		"ASSAY_FAIL_ON_BASE":        {"none": {say: "ASSAY_FAIL_ON_BASE is set and was ignored"}},
		"ASSAY_CONTINUE_ON_FAILURE": {"true": {}, "x": {codes: []int{2}}},
		"ASSAY_FAIL_ON_UNFIXED":     {"false": {}},
		"ASSAY_FAIL_ON_EOL":         {"false": {}},
		"ASSAY_STRICT":              {"false": {}},
		"ASSAY_KERNEL":              {"false": {}},
		"ASSAY_TIMEOUT":             {"1ns": {codes: []int{1, 5}}, "x": {codes: []int{2, 5}}, "1000h": {}},
		"ASSAY_PROJECT":             {"evil": {}},
		"ASSAY_REF":                 {"evil": {}},
		"ASSAY_COMMIT":              {"evil": {}},
		"ASSAY_QUIET":               {"true": {}},
		"ASSAY_VERBOSE":             {"true": {}},
	}
	doc := environmentDoc(t)
	for name := range doc {
		if values[name] == nil {
			t.Errorf("docs/environment.md has %s, and this test does not try it", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if doc[name] == "" {
			t.Errorf("docs/environment.md does not have %s, which this test tries", name)
		}
		for value, want := range values[name] {
			var env, args []string
			if name != "ASSAY_TOKEN" && name != "ASSAY_TOKEN_FILE" {
				env = append(env, "ASSAY_TOKEN="+hostileToken)
			}
			code, out := h.run(append(env, name+"="+value), args...)
			if want.codes == nil {
				want.codes = []int{5}
			}
			if !slices.Contains(want.codes, code) || !strings.Contains(out, want.say) {
				t.Errorf("%s=%s: code %d, want one of %v and %q:\n%s", name, value, code, want.codes, want.say, out)
			}
			if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && r != '\t' && (r < ' ' || r > '~') }); i >= 0 || strings.Contains(out, "##vso[") {
				t.Errorf("%s=%s: control characters or a command in the log: %q", name, value, out)
			}
		}
	}
}

// TestJSONOnTheLog checks that JSON brings no control character and no command of a CI
// system into a log, whichever stream it is written to.
func TestJSONOnTheLog(t *testing.T) {
	h := newHostileHost(t)
	for _, args := range [][]string{{"--format", "json"}, {"--output", "json=/dev/stdout"}, {"--output", "json=/dev/stderr"}} {
		code, out := h.run([]string{"ASSAY_TOKEN=" + hostileToken}, args...)
		i := strings.Index(out, `{"version"`)
		if code != 5 || i < 0 {
			t.Fatalf("%q: code %d\n%s", args, code, out)
		}
		var v verdict.Verdict
		if err := json.NewDecoder(strings.NewReader(out[i:])).Decode(&v); err != nil || v.Decision.Reasons[0].Text != "for Bearer [token] ##vso[x] \x1b[31m\u202e" {
			t.Errorf("%q: %+v, %v", args, v.Decision, err)
		}
		if strings.Contains(out, "##vso[") || strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
			t.Errorf("%q: %q", args, out)
		}
	}
}

// linked are the Go files of the packages that assay links.
var linkedOnce = sync.OnceValues(func() (map[string][]string, error) {
	out, err := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_docs",
		"-f", `{{.ImportPath}}{{range .GoFiles}} {{$.Dir}}/{{.}}{{end}}`, ".").Output()
	if err != nil {
		return nil, err
	}
	files := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		files[f[0]] = f[1:]
	}
	return files, nil
})

// read returns the names that the linked packages pass to a function of one of
// these names, with the package, and the places where the name is not a constant.
func read(t *testing.T, functions ...string) (names map[string]string, others []string) {
	t.Helper()
	linked, err := linkedOnce()
	if err != nil || len(linked) < 100 {
		t.Fatalf("%d packages: %v", len(linked), err)
	}
	names = map[string]string{}
	for pkg, paths := range linked {
		if strings.HasPrefix(pkg, "assay/") || pkg == "assay" {
			continue // they read through Env.LookupEnv; TestNoGetenv holds it
		}
		fset := token.NewFileSet()
		var files []*ast.File
		constants := map[string]string{}
		for _, path := range paths {
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
			ast.Inspect(f, func(n ast.Node) bool {
				if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == len(v.Values) {
					for i := range v.Names {
						if s, ok := literal(v.Values[i]); ok {
							constants[v.Names[i].Name] = s
						}
					}
				}
				return true
			})
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name := ""
				switch fun := call.Fun.(type) {
				case *ast.Ident:
					name = fun.Name
				case *ast.SelectorExpr:
					name = fun.Sel.Name
					if x, ok := fun.X.(*ast.Ident); ok && x.Name == "testlog" {
						return true
					}
					if x, ok := fun.X.(*ast.Ident); ok && x.Name == "godebug" {
						name = "godebug." + name
					}
				}
				if !slices.Contains(functions, name) {
					return true
				}
				for _, arg := range call.Args {
					s, ok := literal(arg)
					if id, isID := arg.(*ast.Ident); !ok && isID {
						s, ok = constants[id.Name]
					}
					if ok {
						names[s] = pkg
					} else {
						others = append(others, filepath.Base(fset.Position(call.Pos()).Filename))
					}
				}
				return true
			})
		}
	}
	return names, others
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// TestEnvironmentIsListed compares docs/environment.md with the flags, and with the
// sources of everything that is linked into assay, including the Go runtime.
func TestEnvironmentIsListed(t *testing.T) {
	doc := environmentDoc(t)
	names, others := read(t, "Getenv", "LookupEnv", "gogetenv", "getEnvAny")
	if len(names) < 25 {
		t.Fatalf("only %d variables found: %v", len(names), names)
	}
	for name, pkg := range names {
		if doc[name] == "" {
			t.Errorf("%s reads %s, and docs/environment.md does not have it", pkg, name)
		}
	}
	// Where the name is a parameter: the functions themselves, and a flag's EnvVars,
	// of which assay has none.
	known := []string{"env.go", "env_unix.go", "file.go", "flag.go", "log.go", "proxy.go"}
	for _, file := range others {
		if !slices.Contains(known, file) {
			t.Errorf("a variable whose name is not known is read in %s", file)
		}
	}
	help, err := exec.Command(filepath.Join(bin, "assay"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(string(help), -1)
	if len(flags) < 20 {
		t.Fatalf("only %d flags found", len(flags))
	}
	for _, f := range flags {
		if name := "ASSAY_" + strings.ToUpper(strings.ReplaceAll(f[1], "-", "_")); doc[name] == "" && f[1] != "help" && f[1] != "version" {
			t.Errorf("docs/environment.md does not have %s", name)
		}
	}
}

// TestGODEBUG runs a scan over https with every setting that the linked packages
// know, those of the runtime included: the token is never printed, and no code is 0.
func TestGODEBUG(t *testing.T) {
	if testing.Short() {
		t.Skip("runs assay some 90 times")
	}
	names, _ := read(t, "godebug.New")
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "src", "runtime", "runtime1.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\{name: "([a-z0-9]+)"`).FindAllStringSubmatch(string(source), -1) {
		names[m[1]] = "runtime"
	}
	if len(names) < 60 {
		t.Fatalf("only %d settings found", len(names))
	}
	h := newHostileHost(t)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		code, log := h.run([]string{"ASSAY_TOKEN=" + hostileToken, fmt.Sprintf("GODEBUG=%s=1", strings.TrimPrefix(name, "#"))})
		// 2 is the code with which the runtime itself ends.
		if code != 5 && code != 2 {
			t.Errorf("%s of %s: code %d\n%.500s", name, names[name], code, log)
		} else if code == 2 {
			t.Logf("%s of %s: the runtime ends it: %.100q", name, names[name], log)
		}
	}
}

// TestNoGetenv checks that packages of assay read variables only by Env.LookupEnv.
func TestNoGetenv(t *testing.T) {
	linked, err := linkedOnce()
	if err != nil {
		t.Fatal(err)
	}
	for pkg, paths := range linked {
		if pkg == "assay/cli/environ" || pkg != "assay" && !strings.HasPrefix(pkg, "assay/") {
			continue
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range []string{"os.Getenv(", "os.LookupEnv(", "os.Environ(", "os.ExpandEnv(", "syscall.Getenv(", "unix.Getenv("} {
				if bytes.Contains(b, []byte(call)) {
					t.Errorf("%s calls %s", path, call)
				}
			}
		}
	}
}

// TestFilesThatNeverEnd gives assay FIFOs and devices where it expects files, and checks
// that it rejects them instead of waiting.
func TestFilesThatNeverEnd(t *testing.T) {
	h := newHostileHost(t)
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	withToken := []string{"ASSAY_TOKEN=" + hostileToken}
	for _, bad := range []string{fifo, "/dev/zero", "/dev/stdin", dir, large} {
		for _, flag := range []string{"--token-file", "--cacert"} {
			if code, out := h.run(withToken, flag, bad, "--on-error", "warn"); code != 2 {
				t.Errorf("%s %s: code %d\n%s", flag, bad, code, out)
			}
		}
		if bad == large {
			continue
		}
		if code, out := h.run(withToken, "--output", "json="+bad, "--on-error", "warn"); code != 2 {
			t.Errorf("--output %s: code %d\n%s", bad, code, out)
		}
	}

	// The same as the mounted secret, in a root of its own.
	if os.Getuid() != 0 {
		t.Skip("only root can change the root")
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "run/secrets"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(filepath.Join(bin, "assay"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "assay"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "run/secrets/assay_token"), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/assay", "--server", "http://127.0.0.1:1", "--on-error", "warn")
	cmd.Env = withToken // it comes after the secret
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 || !bytes.Contains(out, []byte("not a regular file")) {
		t.Errorf("a FIFO as the secret: %v\n%s", err, out)
	}
}
