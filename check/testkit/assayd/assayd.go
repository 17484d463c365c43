// Package assayd runs the real assayd on loopback for tests and measurements.
package assayd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Config says what to run.
type Config struct {
	Binary  string   // the program assayd
	Data    string   // its data folder, made when missing
	Clients string   // the folder that holds assay; "" for that of Binary
	Addr    string   // to listen on; "" for a free port of loopback
	Flags   []string // of serve, after its own, which they may say otherwise
	// Database is the URL of a PostgreSQL database to use; "" for files in Data.
	Database string
}

func (c Config) env() []string { return append(os.Environ(), "ASSAYD_DATABASE="+c.Database) }

// Import takes the records of path, a folder or zip, into the data folder.
func (c Config) Import(ctx context.Context, path string) error {
	_, err := c.output(ctx, "import", path)
	return err
}

// NewToken makes a token that may scan, and read what it scanned.
func (c Config) NewToken(ctx context.Context, name string) (string, error) {
	out, err := c.output(ctx, "token", "create", "--name", name)
	return string(bytes.TrimSpace(out)), err
}

// Run runs a command of assayd with more arguments and returns what it printed.
func (c Config) Run(ctx context.Context, command string, args ...string) ([]byte, error) {
	return c.output(ctx, append([]string{command}, args...)...)
}

func (c Config) output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Binary, append(args, "--data", c.Data)...)
	cmd.Env = c.env()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("assayd %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return out, nil
}

// A Server is a running assayd.
type Server struct {
	URL string
	// Ready is the time from its start until it answered that it is healthy,
	// to a few milliseconds.
	Ready time.Duration

	cmd  *exec.Cmd
	log  logBuffer
	done chan struct{} // closed when the process has ended
	err  error         // why it ended, once done is closed
}

// Serve starts assayd, without a limit on the rate of requests, and waits until it
// answers. Close ends it.
func (c Config) Serve(ctx context.Context) (*Server, error) {
	addr := c.Addr
	if addr == "" {
		var err error
		if addr, err = FreeAddr(); err != nil {
			return nil, err
		}
	}
	s := &Server{URL: "http://" + addr, done: make(chan struct{})}
	args := []string{"serve", "--data", c.Data, "--listen", addr, "--public-url", s.URL, "--rate", "0", "--update-every", "0"}
	if c.Clients != "" {
		args = append(args, "--clients", c.Clients)
	}
	s.cmd = exec.Command(c.Binary, append(args, c.Flags...)...)
	s.cmd.Stderr, s.cmd.Env = &s.log, c.env()
	start := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	for !s.healthy(ctx) {
		select {
		case <-s.done:
			return nil, fmt.Errorf("assayd serve ended: %v\n%s", s.err, s.Log())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), s.Close())
		case <-time.After(2 * time.Millisecond):
		}
	}
	s.Ready = time.Since(start)
	return s, nil
}

func (s *Server) healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// PID is its process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Resident is the memory that it holds now, in bytes.
func (s *Server) Resident() (int64, error) { return s.memory("VmRSS:") }

// Peak is the most memory that it has held, in bytes.
func (s *Server) Peak() (int64, error) { return s.memory("VmHWM:") }

// memory reads a field of /proc/PID/status, see proc(5).
func (s *Server) memory(field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if kib, ok := strings.CutPrefix(line, field); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no %s of process %d", strings.TrimSuffix(field, ":"), s.PID())
}

// Log returns what it has logged so far.
func (s *Server) Log() string { return s.log.String() }

// Close ends it and waits until it has ended.
func (s *Server) Close() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.done
	if s.err != nil {
		return fmt.Errorf("assayd serve: %w\n%s", s.err, s.Log())
	}
	return nil
}

// Kill ends it with SIGKILL and waits until it has ended.
func (s *Server) Kill() error {
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.done
	return nil
}

// FreeAddr returns an address of loopback that nobody listens on now.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// A logBuffer is a buffer that one goroutine writes while others read it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
