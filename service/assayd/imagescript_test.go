package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"assay/verdict"
)

// saveImage makes an archive of an image as docker save does.
func saveImage(ts *testscript.TestScript, _ bool, args []string) {
	type history struct {
		CreatedBy string `json:"created_by"`
	}
	var config struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		RootFS       struct {
			Type    string   `json:"type"`
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
		History []history `json:"history"`
	}
	config.OS, config.Architecture, config.RootFS.Type = "linux", "amd64", "layers"
	var image struct {
		Config           string
		RepoTags, Layers []string
	}
	image.Config, image.RepoTags = "config.json", []string{args[1]}
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	add := func(name string, b []byte) {
		ts.Check(w.WriteHeader(&tar.Header{Name: name, Size: int64(len(b)), Mode: 0o644}))
		_, err := w.Write(b)
		ts.Check(err)
	}
	for i, dir := range args[2:] {
		var b bytes.Buffer
		lw := tar.NewWriter(&b)
		ts.Check(lw.AddFS(os.DirFS(ts.MkAbs(dir))))
		ts.Check(lw.Close())
		name := fmt.Sprintf("%d/layer.tar", i)
		add(name, b.Bytes())
		image.Layers = append(image.Layers, name)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, fmt.Sprintf("sha256:%x", sha256.Sum256(b.Bytes())))
		config.History = append(config.History, history{strings.TrimSpace(ts.ReadFile(dir + ".cmd"))})
	}
	for name, v := range map[string]any{"config.json": config, "manifest.json": []any{image}} {
		b, err := json.Marshal(v)
		ts.Check(err)
		add(name, b)
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), file.Bytes(), 0o644))
}

func postImage(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	req, err := http.NewRequest(http.MethodPost, ts.Getenv("SERVER")+"/api/v1/images"+args[1], f)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+ts.Getenv("TOKEN"))
	req.Header.Set("Content-Type", "application/x-tar")
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if got := fmt.Sprint(resp.StatusCode); got != args[2] {
		ts.Fatalf("status %s, want %s\n%s", got, args[2], body)
	}
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

func sameFindings(ts *testscript.TestScript, _ bool, args []string) {
	var all [2]verdict.Verdict
	for i, name := range args {
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(name)), &all[i]))
		for j := range all[i].Findings {
			all[i].Findings[j].Layer = ""
			all[i].Findings[j].FirstSeen = nil
		}
	}
	a, b := all[0], all[1]
	if len(a.Findings) == 0 || !reflect.DeepEqual(a.Findings, b.Findings) || !reflect.DeepEqual(a.Counts, b.Counts) || !reflect.DeepEqual(a.Decision, b.Decision) {
		ts.Fatalf("different verdicts:\n%+v\n%+v", a, b)
	}
}
