// Command gendocs writes the OpenAPI documents of the built-in resources,
// compressed, for the server to embed: v2 as JSON and protobuf and one v3
// document a group version. Building them at start would take 0.7 s.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"
	"strings"

	"pilothouse/backend/openapi"
	"pilothouse/backend/openapi/models"
	"pilothouse/backend/registry"
	"pilothouse/backend/resources"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	imagepolicy "k8s.io/api/imagepolicy/v1alpha1"
	crdv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	apiregv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregv1beta1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1beta1"
	"k8s.io/kube-openapi/pkg/common"
)

func main() {
	out := flag.String("out", "", "folder to write to")
	flag.Parse()
	known := scheme.Scheme
	for _, add := range []func(*runtime.Scheme) error{admissionv1.AddToScheme, admissionv1beta1.AddToScheme, imagepolicy.AddToScheme,
		crdv1.AddToScheme, crdv1beta1.AddToScheme, apiregv1.AddToScheme, apiregv1beta1.AddToScheme} {
		check(add(known))
	}
	b := &openapi.Builder{Definitions: openapi.WithoutItemDefaults(models.GetOpenAPIDefinitions), GVKs: openapi.KindsOf(known)}
	docs := openapi.Documents(resources.All(&registry.Env{}))
	check(os.RemoveAll(*out))
	check(os.MkdirAll(filepath.Join(*out, "v3"), 0o755))
	var all []common.Route
	for _, d := range docs {
		doc, err := b.V3("/", d.GroupVersion, d.Routes)
		check(err)
		raw, err := json.Marshal(doc)
		check(err)
		write(filepath.Join(*out, "v3", strings.ReplaceAll(d.Name, "/", "__")+".json.gz"), raw)
		all = append(all, d.Routes...)
	}
	swagger, err := b.V2(all)
	check(err)
	raw, err := json.Marshal(swagger)
	check(err)
	write(filepath.Join(*out, "v2.json.gz"), raw)
	gnostic, err := openapi_v2.ParseDocument(raw)
	check(err)
	pb, err := proto.MarshalOptions{Deterministic: true}.Marshal(gnostic)
	check(err)
	write(filepath.Join(*out, "v2.pb.gz"), pb)
}

func write(file string, raw []byte) {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	check(err)
	_, err = w.Write(raw)
	check(err)
	check(w.Close())
	check(os.WriteFile(file, buf.Bytes(), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
