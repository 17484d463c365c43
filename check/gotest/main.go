// Gotest runs "go test" with its arguments and says at the end, in one line, how many
// tests passed and how many were skipped for want of what.
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
	passed, failed, noData, noTool, other int
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
		{s.other, "skipped for another reason"},
	} {
		if part.n > 0 {
			line += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return line
}

// summarize copies to w what "go test" without -json prints, from its events.
func summarize(w io.Writer, events io.Reader) (summary, error) {
	type test struct{ pkg, name string }
	var sum summary
	running := make(map[test]*strings.Builder)
	var order []test // in which the tests in running started
	in := bufio.NewReader(events)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return sum, nil
		}
		if err != nil && err != io.EOF {
			return sum, err
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Fprintf(w, "%s", line) // not an event: go itself failed
			continue
		}
		key := test{e.Package, e.Test}
		switch {
		case e.Test == "" && (e.Action == "output" && e.Output != "PASS\n" || e.Action == "build-output"):
			io.WriteString(w, e.Output)
		case e.Test == "" && e.Action == "fail":
			// What a test wrote before its process died has no other end.
			for _, t := range order {
				if t.pkg == e.Package && running[t] != nil {
					io.WriteString(w, running[t].String())
				}
			}
		case e.Test == "":
		case e.Action == "run":
			running[key] = new(strings.Builder)
			order = append(order, key)
		case e.Action == "output":
			if running[key] == nil {
				running[key] = new(strings.Builder)
				order = append(order, key)
			}
			if !strings.HasPrefix(e.Output, "=== ") { // as without -v
				running[key].WriteString(e.Output)
			}
		case e.Action == "pass":
			sum.passed++
			delete(running, key)
		case e.Action == "fail":
			sum.failed++
			if b := running[key]; b != nil {
				io.WriteString(w, b.String())
			}
			delete(running, key)
		case e.Action == "skip":
			var why string
			if b := running[key]; b != nil {
				why = b.String()
			}
			switch {
			case strings.Contains(why, testkit.MissingData):
				sum.noData++
			case strings.Contains(why, testkit.MissingTool):
				sum.noTool++
			default:
				sum.other++
			}
			delete(running, key)
		}
	}
}
