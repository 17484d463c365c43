// Gotest runs "go test" with its arguments and prints at the end, in one line, how
// many tests passed, how many were skipped, and what the skipped ones lacked.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"assay/check/testkit"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "gotest: %v\n", err)
		code = 1
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	sum, err := summarize(os.Stdout, out)
	if err != nil {
		return 0, errors.Join(err, cmd.Wait())
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		fmt.Println(sum)
		return exit.ExitCode(), nil
	}
	if err == nil {
		fmt.Println(sum)
	}
	return 0, err
}

// An event is one line of "go test -json": see "go doc test2json".
type event struct {
	Action, Package, Test, Output string
}

// A summary counts tests and subtests.
type summary struct {
	passed, failed, noData, noTool, long, other int
}

// String returns the closing line.
func (s summary) String() string {
	line := fmt.Sprintf("tests: %d passed", s.passed)
	for _, part := range []struct {
		n    int
		what string
	}{
		{s.failed, "failed"},
		{s.noData, "skipped without the test data (see CONTRIBUTING.md to get it)"},
		{s.noTool, "skipped without a program or a right (make deps installs the programs)"},
		{s.long, "left to make test-long"},
		{s.other, "skipped for another reason"},
	} {
		if part.n > 0 {
			line += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return line
}

// A test names a test of a package.
type test struct{ pkg, name string }

// progress is a run of "go test" so far.
type progress struct {
	w       io.Writer
	sum     summary
	running map[test]*strings.Builder // what each test printed
	order   []test                    // in which they started
}

// summarize copies to w what "go test" without -json prints, from its events.
func summarize(w io.Writer, events io.Reader) (summary, error) {
	p := progress{w: w, running: make(map[test]*strings.Builder)}
	in := bufio.NewReader(events)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return p.sum, nil
		}
		if err != nil && err != io.EOF {
			return p.sum, err
		}
		var e event
		switch {
		case json.Unmarshal(line, &e) != nil:
			fmt.Fprintf(w, "%s", line) // not an event: go itself failed
		case e.Test == "":
			p.ofPackage(e)
		default:
			p.ofTest(e)
		}
	}
}

func (p *progress) ofPackage(e event) {
	switch e.Action {
	case "output", "build-output":
		if e.Output != "PASS\n" {
			io.WriteString(p.w, e.Output)
		}
	case "fail":
		// A test whose process died has no event of its own.
		for _, t := range p.order {
			if b := p.running[t]; b != nil && t.pkg == e.Package {
				io.WriteString(p.w, b.String())
			}
		}
	}
}

func (p *progress) ofTest(e event) {
	key := test{e.Package, e.Test}
	printed := p.running[key]
	if printed == nil {
		printed = new(strings.Builder)
		p.running[key] = printed
		p.order = append(p.order, key)
	}
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") { // as without -v
			printed.WriteString(e.Output)
		}
		return
	case "pass":
		p.sum.passed++
	case "fail":
		p.sum.failed++
		io.WriteString(p.w, printed.String())
	case "skip":
		switch why := printed.String(); {
		case strings.Contains(why, testkit.MissingData):
			p.sum.noData++
		case strings.Contains(why, testkit.MissingTool):
			p.sum.noTool++
		case strings.Contains(why, testkit.TooLong):
			p.sum.long++
		default:
			p.sum.other++
		}
	default: // run, pause, cont
		return
	}
	delete(p.running, key)
}
