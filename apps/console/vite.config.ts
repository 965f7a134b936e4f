import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

/** A server on this machine answers the page while it is developed. */
const SERVER = 'http://127.0.0.1:8081';

export default defineConfig({
  base: './',
  plugins: [vue()],
  build: { target: 'es2022', chunkSizeWarningLimit: 700 },
  server: {
    proxy: {
      '/api': SERVER,
      '/flv': { target: SERVER, ws: true },
      '/health': SERVER,
      '/metrics': SERVER,
      '/rest-api': SERVER,
      '/whep': SERVER,
      '/whip': SERVER,
    },
  },
});
