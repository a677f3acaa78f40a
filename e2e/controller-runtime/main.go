// Command controller-runtime is an operator as most are written: a manager of
// controller-runtime with a kind of its own, webhooks that default, check and
// convert it, and an election of who leads. e2e runs two of it. It prints
// "leads" once it leads and its webhooks are called.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"pilothouse/e2e/controller-runtime/travel"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/cert"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

func main() {
	name := flag.String("name", "", "of this one among several")
	dir := flag.String("cert-dir", "", "where its certificate is written")
	flag.Parse() // --kubeconfig is controller-runtime's own
	ctrl.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler(), *name, *dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name, dir string) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, apiextensionsv1.AddToScheme, travel.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	port, bundle, err := serving(dir)
	if err != nil {
		return err
	}
	m, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme: scheme, Metrics: server.Options{BindAddress: "0"},
		LeaderElection: true, LeaderElectionID: "trips", LeaderElectionNamespace: "kube-system", LeaderElectionReleaseOnCancel: true,
		WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: dir}),
	})
	if err != nil {
		return err
	}
	r := &reconciler{Client: m.GetClient(), events: m.GetEventRecorder("trips"), name: name}
	if err := r.setUp(m); err != nil {
		return err
	}
	if err := ctrl.NewWebhookManagedBy(m, &travel.Trip{}).WithDefaulter(rules{}).WithValidator(rules{}).Complete(); err != nil {
		return err
	}
	announce := func(ctx context.Context) error {
		if err := install(ctx, m.GetClient(), fmt.Sprintf("https://127.0.0.1:%d", port), bundle); err != nil {
			return err
		}
		fmt.Println("leads")
		<-ctx.Done()
		return nil
	}
	if err := m.Add(manager.RunnableFunc(announce)); err != nil {
		return err
	}
	return m.Start(ctx)
}

// serving writes a certificate and finds a port.
func serving(dir string) (port int, bundle []byte, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	defer l.Close()
	bundle, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		return 0, nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "tls.crt"), bundle, 0o600); err != nil {
		return 0, nil, err
	}
	return l.Addr().(*net.TCPAddr).Port, bundle, os.WriteFile(filepath.Join(dir, "tls.key"), key, 0o600)
}

// install makes the API server call the webhooks of this process.
func install(ctx context.Context, c client.Client, url string, bundle []byte) error {
	at := func(path string) *string { s := url + path; return &s }
	var none = admissionv1.SideEffectClassNone
	rules := []admissionv1.RuleWithOperations{{
		Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{travel.Group}, APIVersions: []string{"v1"}, Resources: []string{"trips"}},
	}}
	mutating := &admissionv1.MutatingWebhookConfiguration{}
	mutating.Name = "trips"
	if _, err := controllerutil.CreateOrUpdate(ctx, c, mutating, func() error {
		mutating.Webhooks = []admissionv1.MutatingWebhook{{
			Name: "default." + travel.Group, SideEffects: &none, AdmissionReviewVersions: []string{"v1"}, Rules: rules,
			ClientConfig: admissionv1.WebhookClientConfig{URL: at("/mutate-travel-example-org-v1-trip"), CABundle: bundle},
		}}
		return nil
	}); err != nil {
		return err
	}
	validating := &admissionv1.ValidatingWebhookConfiguration{}
	validating.Name = "trips"
	if _, err := controllerutil.CreateOrUpdate(ctx, c, validating, func() error {
		validating.Webhooks = []admissionv1.ValidatingWebhook{{
			Name: "validate." + travel.Group, SideEffects: &none, AdmissionReviewVersions: []string{"v1"}, Rules: rules,
			ClientConfig: admissionv1.WebhookClientConfig{URL: at("/validate-travel-example-org-v1-trip"), CABundle: bundle},
		}}
		return nil
	}); err != nil {
		return err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	crd.Name = "trips." + travel.Group
	_, err := controllerutil.CreateOrUpdate(ctx, c, crd, func() error {
		crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
			Strategy: apiextensionsv1.WebhookConverter,
			Webhook: &apiextensionsv1.WebhookConversion{ConversionReviewVersions: []string{"v1"},
				ClientConfig: &apiextensionsv1.WebhookClientConfig{URL: at("/convert"), CABundle: bundle}},
		}
		return nil
	})
	return err
}
