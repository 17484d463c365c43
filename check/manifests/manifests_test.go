// Package manifests decodes the files of deploy/kubernetes into the types of Kubernetes. It
// is a module of its own, so that assay does not depend on Kubernetes.
package manifests

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// kinds has a function for each kind that the manifests use. It returns a new object.
var kinds = map[metav1.TypeMeta]func() any{
	{APIVersion: "v1", Kind: "ServiceAccount"}:                  func() any { return new(corev1.ServiceAccount) },
	{APIVersion: "v1", Kind: "Service"}:                         func() any { return new(corev1.Service) },
	{APIVersion: "apps/v1", Kind: "Deployment"}:                 func() any { return new(appsv1.Deployment) },
	{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}:      func() any { return new(policyv1.PodDisruptionBudget) },
	{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}: func() any { return new(networkingv1.NetworkPolicy) },
	{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}:       func() any { return new(networkingv1.Ingress) },
}

// decode decodes one YAML document. Unknown and repeated fields are errors, and so is a
// field in another case: Kubernetes ignores all of them.
func decode(document []byte) (any, error) {
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	var meta metav1.TypeMeta
	if err := json.UnmarshalCaseSensitivePreserveInts(text, &meta); err != nil {
		return nil, err
	}
	object, ok := kinds[meta]
	if !ok {
		return nil, fmt.Errorf("unknown kind %q of %q", meta.Kind, meta.APIVersion)
	}
	to := object()
	strict, err := json.UnmarshalStrict(text, to)
	if err != nil {
		return nil, err
	}
	if len(strict) > 0 {
		return nil, fmt.Errorf("%s: %v", meta.Kind, strict)
	}
	return to, nil
}

// objects decodes all manifests.
func objects(t *testing.T) (all []any) {
	t.Helper()
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for document := range bytes.SplitSeq(b, []byte("\n---\n")) {
			object, err := decode(document)
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, document)
				continue
			}
			all = append(all, object)
		}
	}
	return all
}

func only[T any](t *testing.T, all []any) (found T) {
	t.Helper()
	n := 0
	for _, object := range all {
		if o, ok := object.(T); ok {
			found = o
			n++
		}
	}
	if n != 1 {
		t.Fatalf("%d objects of type %T, want 1", n, found)
	}
	return found
}

// The objects name each other correctly, and the pod fulfils the restricted Pod Security
// Standard.
func TestManifests(t *testing.T) {
	all := objects(t)
	pod := only[*appsv1.Deployment](t, all).Spec.Template
	labels := pod.Labels
	for what, selector := range map[string]map[string]string{
		"Deployment":          only[*appsv1.Deployment](t, all).Spec.Selector.MatchLabels,
		"Service":             only[*corev1.Service](t, all).Spec.Selector,
		"PodDisruptionBudget": only[*policyv1.PodDisruptionBudget](t, all).Spec.Selector.MatchLabels,
		"NetworkPolicy":       only[*networkingv1.NetworkPolicy](t, all).Spec.PodSelector.MatchLabels,
		"spread":              pod.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		if len(selector) == 0 || !maps.Equal(selector, labels) {
			t.Errorf("%s selects %v, and the pods have %v", what, selector, labels)
		}
	}
	if a := only[*corev1.ServiceAccount](t, all); pod.Spec.ServiceAccountName != a.Name {
		t.Errorf("service account %q, want %q", pod.Spec.ServiceAccountName, a.Name)
	}
	if n := *only[*appsv1.Deployment](t, all).Spec.Replicas; n != 3 {
		t.Errorf("%d replicas", n)
	}
	container := pod.Spec.Containers[0]
	ports := map[string]bool{}
	for _, p := range container.Ports {
		ports[p.Name] = true
	}
	named := []string{container.LivenessProbe.HTTPGet.Port.String(), container.ReadinessProbe.HTTPGet.Port.String()}
	service := only[*corev1.Service](t, all)
	servicePorts := map[string]bool{}
	for _, p := range service.Spec.Ports {
		named = append(named, p.TargetPort.String())
		servicePorts[p.Name] = true
	}
	for _, rule := range only[*networkingv1.NetworkPolicy](t, all).Spec.Ingress {
		for _, p := range rule.Ports {
			named = append(named, p.Port.String())
		}
	}
	for _, name := range named {
		if !ports[name] {
			t.Errorf("the container has no port %q", name)
		}
	}
	for _, rule := range only[*networkingv1.Ingress](t, all).Spec.Rules {
		for _, path := range rule.HTTP.Paths {
			if b := path.Backend.Service; b.Name != service.Name || !servicePorts[b.Port.Name] {
				t.Errorf("the Ingress leads to %s %s", b.Name, b.Port.Name)
			}
		}
	}
	for _, m := range container.VolumeMounts {
		if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("there is no volume %q", m.Name)
		}
	}

	s, c := pod.Spec.SecurityContext, container.SecurityContext
	if !*s.RunAsNonRoot || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *c.AllowPrivilegeEscalation ||
		!*c.ReadOnlyRootFilesystem || !slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(c.Capabilities.Add) > 0 {
		t.Errorf("not restricted: %v, %v", s, c)
	}
}

// What Kubernetes ignores is an error here.
func TestDecode(t *testing.T) {
	const head = "apiVersion: v1\nkind: Service\n"
	for name, document := range map[string]string{
		"unknown field":    head + "spec: {selektor: {a: b}}\n",
		"field's case":     head + "spec: {Selector: {a: b}}\n",
		"field twice":      head + "spec: {type: NodePort, type: NodePort}\n",
		"another type":     head + "spec: {ports: 1}\n",
		"unknown kind":     "apiVersion: v1\nkind: service\n",
		"kind's own field": "apiVersion: v1\nKind: Service\n",
	} {
		if object, err := decode([]byte(document)); err == nil {
			t.Errorf("%s: decoded as %v", name, object)
		}
	}
	if _, err := decode([]byte(head + "spec: {selector: {a: b}}\n")); err != nil {
		t.Error(err)
	}
}
