// Command aggregated is an API server as others write them, on k8s.io/apiserver,
// for e2e's tests of API servers that extend Pilothouse. It serves books
// (library.example.org/v1, in memory) and what a metrics server serves
// (metrics.k8s.io/v1beta1). Who its callers are and what they may do it asks the
// server that its kubeconfig names. It prints where it listens.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"

	"pilothouse/e2e/aggregated/library"
	"pilothouse/e2e/aggregated/models"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/metrics/pkg/apis/metrics"
	metricsinstall "k8s.io/metrics/pkg/apis/metrics/install"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of the server that this one extends")
	certificates := flag.String("cert-dir", "", "where its certificate is written, as apiserver.crt")
	name := flag.String("service", "", "name of the Service in front of it, NAME.NAMESPACE.svc")
	flag.Parse()
	if err := run(server.SetupSignalContext(), *kubeconfig, *certificates, *name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig, certificates, name string) error {
	scheme := runtime.NewScheme()
	if err := library.AddToScheme(scheme); err != nil {
		return err
	}
	metricsinstall.Install(scheme)
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	scheme.AddUnversionedTypes(schema.GroupVersion{Version: "v1"}, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	codecs := serializer.NewCodecFactory(scheme)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config, err := configure(scheme, codecs, listener, kubeconfig, certificates, name)
	if err != nil {
		return err
	}
	s, err := config.Complete().New("library", server.NewEmptyDelegate())
	if err != nil {
		return err
	}
	books := newBooks(scheme)
	group := server.NewDefaultAPIGroupInfo(library.GroupVersion.Group, scheme, metav1.ParameterCodec, codecs)
	group.VersionedResourcesStorageMap["v1"] = map[string]rest.Storage{"books": books, "books/status": status{books}}
	if err := s.InstallAPIGroup(&group); err != nil {
		return err
	}
	core := config.SharedInformerFactory.Core().V1()
	group = server.NewDefaultAPIGroupInfo(metrics.GroupName, scheme, metav1.ParameterCodec, codecs)
	group.VersionedResourcesStorageMap["v1beta1"] = map[string]rest.Storage{"nodes": newNodeMetrics(core.Nodes().Lister()), "pods": newPodMetrics(core.Pods().Lister())}
	if err := s.InstallAPIGroup(&group); err != nil {
		return err
	}
	core.Nodes().Informer()
	core.Pods().Informer()
	config.SharedInformerFactory.Start(ctx.Done())
	fmt.Println(listener.Addr())
	return s.PrepareRun().RunWithContext(ctx)
}

// configure does what RecommendedOptions do, without etcd.
func configure(scheme *runtime.Scheme, codecs serializer.CodecFactory, listener net.Listener, kubeconfig, certificates, name string) (*server.RecommendedConfig, error) {
	config := server.NewRecommendedConfig(codecs)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	names := openapi.NewDefinitionNamer(scheme)
	config.OpenAPIConfig = server.DefaultOpenAPIConfig(models.GetOpenAPIDefinitions, names)
	config.OpenAPIConfig.Info.Title = "Library"
	config.OpenAPIV3Config = server.DefaultOpenAPIV3Config(models.GetOpenAPIDefinitions, names)
	config.OpenAPIV3Config.Info.Title = "Library"

	serving := options.NewSecureServingOptions().WithLoopback()
	serving.Listener, serving.ServerCert.CertDirectory = listener, certificates
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", []string{name}, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, err
	}
	if err := serving.ApplyTo(&config.SecureServing, &config.LoopbackClientConfig); err != nil {
		return nil, err
	}
	authentication := options.NewDelegatingAuthenticationOptions()
	authentication.RemoteKubeConfigFile = kubeconfig
	if err := authentication.ApplyTo(&config.Authentication, config.SecureServing, config.OpenAPIConfig); err != nil {
		return nil, err
	}
	authorization := options.NewDelegatingAuthorizationOptions()
	authorization.RemoteKubeConfigFile = kubeconfig
	if err := authorization.ApplyTo(&config.Authorization); err != nil {
		return nil, err
	}
	client, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.ClientConfig = client
	set, err := kubernetes.NewForConfig(client)
	if err != nil {
		return nil, err
	}
	config.SharedInformerFactory = informers.NewSharedInformerFactory(set, 0)
	return config, nil
}
