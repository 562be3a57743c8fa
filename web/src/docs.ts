// The API, to be read and tried: Swagger UI over `/api/schema/`. Nothing here comes from another host.

import 'swagger-ui-dist/swagger-ui.css';
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';

SwaggerUI({
  dom_id: '#docs',
  url: '/api/schema/',
  deepLinking: true,
  docExpansion: 'none',
  // Else it would send the document to a service on the web.
  validatorUrl: null,
});
