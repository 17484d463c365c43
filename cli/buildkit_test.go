package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// TestAbandonedScanWritesNoMore lets the scan of a tree hang until it is abandoned, and
// then go on while the log is printed. The race detector reports a write to it.
func TestAbandonedScanWritesNoMore(t *testing.T) {
	hang, resumed := make(chan bool), make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	r := &run{grace: time.Millisecond, env: Env{
		Args: []string{"assay"},
		LookupEnv: func(name string) (string, bool) {
			if name == "ASSAY_TOKEN_FILE" { // the scan has read its flags
				cancel()
				<-hang
				defer close(resumed)
			}
			return "", false
		},
		Stdout: &log, Stderr: &log, Now: time.Now, Version: "1.0.0",
	}}
	s, err := r.scanTarget(ctx, target{"image", t.TempDir()}, []string{"--server=http://127.0.0.1:1"}, "")
	if err != nil || s.code != codeUnable {
		t.Fatalf("code %d, %v", s.code, err)
	}
	before := s.log.close()
	close(hang)
	<-resumed
	if _, err := s.log.Write([]byte("late")); err != nil {
		t.Error(err)
	}
	if after := s.log.close(); after != before || !strings.Contains(before, "interrupted") {
		t.Errorf("the log was\n%s\nand became\n%s", before, after)
	}
}
