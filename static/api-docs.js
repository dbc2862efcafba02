// Starts Swagger UI on the page of the API's documentation. Nothing is loaded from elsewhere.
const docs = document.getElementById("docs");
SwaggerUIBundle({ url: docs.dataset.url, domNode: docs, deepLinking: true, validatorUrl: null });
