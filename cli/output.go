package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"assay/remote"
	"assay/verdict"
	"assay/verdict/hint"
)

// An output is a report that --output asks for.
type output struct{ format, path string }

// formatNames lists the formats of reports for people.
func formatNames() string { return strings.Join(verdict.ReportNames(), ", ") }

// rendered returns the formats that the service has to render.
func (s settings) rendered() []string {
	formats := []string{s.format}
	for _, o := range s.outputs {
		formats = append(formats, o.format)
	}
	slices.Sort(formats)
	formats = slices.Compact(formats)
	return slices.DeleteFunc(formats, func(f string) bool { return f == verdict.ReportText || f == verdict.ReportJSON })
}

// discard removes the reports that an earlier scan has left at the paths of the outputs.
// This scan could not write them, and the next step must not take the old ones for it.
func discard(outputs []output) {
	for _, o := range outputs {
		if stream(o.path) != 0 || checkOutput(o.path) != nil {
			continue
		}
		// Both as far as possible: the folder may not be writable, or the path be a link.
		os.Truncate(o.path, 0)
		os.Remove(o.path)
	}
}

// writeReport writes the report in a format. log says that w is the standard output or
// error. What is written there ends up in the log of a build, so JSON is ASCII, and a
// terminal gets no control characters.
func writeReport(w io.Writer, format string, result remote.Result, log bool) error {
	switch format {
	case verdict.ReportText:
		return verdict.WriteText(w, result.Verdict, verdict.Style{Verbose: true, Exit: result.Verdict.Decision.Code})
	case verdict.ReportJSON:
		_, err := verdict.ASCII(w).Write(result.JSON)
		return err
	}
	text := result.Reports[format]
	switch {
	case result.Distrusted != nil:
		return hint.Errorf("see the verdict", "it is about a verdict that contradicts itself")
	case text == "":
		return hint.Errorf("see the notes in the log; a service that is older than this assay may not have the format", "the service did not send it")
	case log && verdict.ReportIsJSON(format):
		w = verdict.ASCII(w)
	case log && isTerminal(w):
		text = verdict.Printable(text)
	}
	_, err := io.WriteString(w, text)
	return err
}

// writeOutput writes a report to a file, or to the standard output or error. It removes a
// file that it could not write to its end.
func (r *run) writeOutput(o output, result remote.Result) error {
	var err error
	switch stream(o.path) {
	case 1:
		err = writeReport(r.env.Stdout, o.format, result, true)
	case 2:
		err = writeReport(r.env.Stderr, o.format, result, true)
	default:
		f, cerr := createRegular(o.path)
		if cerr != nil {
			return fmt.Errorf("write report: %w", cerr)
		}
		err = writeReport(f, o.format, result, false)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			discard([]output{o})
		}
	}
	if err != nil {
		return fmt.Errorf("write report %s=%q: %w", o.format, o.path, err)
	}
	return nil
}

// writeInventory writes to the file that assay inventory --output names, or to the standard
// output or error. It removes a file that it could not write to its end.
func (r *run) writeInventory(path string, write func(io.Writer) error) error {
	switch stream(path) {
	case 1:
		return write(r.env.Stdout)
	case 2:
		return write(r.env.Stderr)
	}
	f, err := createRegular(path)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err != nil {
		discard([]output{{path: path}})
	}
	return err
}
