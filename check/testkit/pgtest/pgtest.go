// Package pgtest runs Debian's PostgreSQL for tests, on a socket in a temporary folder.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/check/testkit"
)

// A Server is one PostgreSQL server.
type Server struct {
	// Socket is the folder of its socket, and Data its data folder.
	Socket, Data string

	dir     string
	bin     string
	as      *syscall.Credential // nil: this user
	options []string
	log     *os.File // nil: not initialized

	mu    sync.Mutex
	stdin io.Closer     // of the wrapper; nil: it does not run
	ended chan struct{} // closed when the wrapper has ended
	made  int
}

// Port is part of the name of a server's socket.
const Port = 5432

// newServer makes a server with a folder and no data.
func newServer(options ...string) (*Server, error) {
	bin, err := Bin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") // a short path: a socket's is at most 107 bytes
	if err != nil {
		return nil, err
	}
	return &Server{dir: dir, Socket: filepath.Join(dir, "s"), Data: filepath.Join(dir, "data"), bin: bin, options: options}, nil
}

// initialize makes the data of the server.
func (s *Server) initialize() (err error) {
	if s.as, err = ordinary(); err != nil {
		return err
	}
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		return err
	}
	for _, d := range []string{s.Socket, s.Data} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if s.as != nil {
		for _, d := range []string{s.dir, s.Socket, s.Data} {
			if err := os.Chown(d, int(s.as.Uid), int(s.as.Gid)); err != nil {
				return err
			}
		}
	}
	initdb := s.command("initdb", "-D", s.Data, "-U", "assay", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// ordinary returns the user to run PostgreSQL as, which refuses to be run by root: nil
// for this user, else Debian's postgres or nobody.
func ordinary() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("this machine has no user postgres and no user nobody")
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	return cmd
}

// The wrapper ends the server when its standard input ends, and so with the test, however
// that ends. It ends with the server.
const wrapper = `exec 3<&0
"$@" </dev/null 3<&- & pid=$!
{ cat <&3 >/dev/null; kill -INT $pid; } 2>/dev/null & watcher=$!
wait $pid
kill $watcher 2>/dev/null`

// Start starts the server, and waits until it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	args := []string{"-c", wrapper, "sh", filepath.Join(s.bin, "postgres"), "-D", s.Data, "-k", s.Socket, "-p", fmt.Sprint(Port)}
	for _, o := range append([]string{
		"listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB",
		"autovacuum_naptime=10", "log_min_messages=warning", "dynamic_shared_memory_type=mmap",
	}, s.options...) {
		args = append(args, "-c", o)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		cmd := s.command("sh", args...)
		cmd.Path = "/bin/sh"
		cmd.Stdout, cmd.Stderr = s.log, s.log
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return err
		}
		s.stdin, s.ended = stdin, make(chan struct{})
		go func() {
			defer close(s.ended)
			_ = cmd.Wait() // with the status of the server
		}()
		if err := s.answers(deadline); err == nil {
			return nil
		} else if time.Now().After(deadline) {
			log, _ := os.ReadFile(s.log.Name())
			return errors.Join(fmt.Errorf("start postgres: %w\n%s", err, log), s.stop())
		}
		// Parts of a server that was killed may still be ending.
		if err := s.stop(); err != nil {
			return err
		}
	}
}

// answers waits until the server answers or has ended.
func (s *Server) answers(deadline time.Time) error {
	var last error
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		last = err
		select {
		case <-s.ended:
			return last
		case <-time.After(20 * time.Millisecond):
		}
	}
	return last
}

// PID returns the process id of the server.
func (s *Server) PID() (int, error) {
	b, err := os.ReadFile(filepath.Join(s.Data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(b, []byte("\n"))
	return strconv.Atoi(string(first))
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := s.PID()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	return s.stop()
}

// Stop ends the server; its clients' connections are closed.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

func (s *Server) stop() error {
	if s.stdin == nil {
		return nil
	}
	_ = s.stdin.Close() // fails where the wrapper has ended
	<-s.ended
	s.stdin = nil
	return nil
}

// remove removes the data of a server that has ended.
func (s *Server) remove() error {
	if s.log != nil {
		_ = s.log.Close() // nothing of it is needed
	}
	return os.RemoveAll(s.dir)
}

// URL returns the address of a database of the server. It has no password.
func (s *Server) URL(database string) string { return URL(s.Socket, database) }

// URL returns the address of a database of the server, or of a proxy to it, whose socket
// is in a folder.
func URL(socket, database string) string {
	q := url.Values{"host": {socket}, "port": {fmt.Sprint(Port)}, "sslmode": {"disable"}}
	return (&url.URL{Scheme: "postgres", User: url.User("assay"), Path: "/" + database, RawQuery: q.Encode()}).String()
}

// Database makes a database for a test, and returns its name. It is a copy of the database
// template, which nobody may use meanwhile, or empty where template is "".
func (s *Server) Database(t testing.TB, template string) string {
	t.Helper()
	s.mu.Lock()
	s.made++
	name := fmt.Sprintf("test%d", s.made)
	s.mu.Unlock()
	query := "CREATE DATABASE " + name
	if template != "" {
		query += " TEMPLATE " + template
	}
	s.Exec(t, "postgres", query)
	return name
}

// Exec runs statements in a database.
func (s *Server) Exec(t testing.TB, database, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, query).ReadAll(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Bin returns the folder of PostgreSQL's programs, the newest version that is installed.
func Bin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("/usr/lib/postgresql has no server; Debian's package postgresql installs it")
	}
	version := func(p string) int {
		n, _ := strconv.Atoi(strings.Split(p, "/")[4])
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// Run starts a server for a program, which must call Close. The options are settings, as
// "name=value".
func Run(options ...string) (*Server, error) {
	s, err := newServer(options...)
	if err != nil {
		return nil, err
	}
	if err = s.initialize(); err == nil {
		err = s.Start()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends the server and removes its data.
func (s *Server) Close() error { return errors.Join(s.Stop(), s.remove()) }

// Start starts a server of the test's own, which ends with the test. Its data is in the
// folder that data returns, within its folder dir if data mounts something there; nil is
// a folder of its own. The options are settings, as "name=value".
func Start(t testing.TB, data func(dir string) string, options ...string) *Server {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Bin(); err != nil {
		testkit.Missing(t, "%v", err)
	}
	s, err := newServer(options...)
	must(err)
	cleanup := func(f func() error) {
		t.Cleanup(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	cleanup(s.remove)
	if data != nil {
		s.Data = data(s.dir)
	}
	cleanup(s.Stop)
	must(s.initialize())
	must(s.Start())
	return s
}

// A Shared server serves all tests of a program. The first that needs it starts it.
type Shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Server returns the server.
func (s *Shared) Server(t testing.TB) *Server {
	t.Helper()
	if _, err := Bin(); err != nil {
		testkit.Missing(t, "%v", err)
	}
	s.once.Do(func() {
		s.server, s.err = Run()
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Main runs the tests, and ends the server.
func (s *Shared) Main(m *testing.M) int {
	code := m.Run()
	if s.server != nil {
		if err := s.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
