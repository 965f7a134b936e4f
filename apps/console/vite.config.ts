import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

/** A server on this machine answers the page while it is developed. */
const SERVER = 'http://127.0.0.1:8081';

/** Files of this folder that pages begin with. */
const page = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  base: './',
  plugins: [vue()],
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 700,
    rolldownOptions: { input: { index: page('index.html'), embed: page('embed.html') } },
  },
  server: {
    proxy: {
      '/api': SERVER,
      '/embed/time': SERVER,
      '/flv': { target: SERVER, ws: true },
      '/health': SERVER,
      '/metrics': SERVER,
      '/mse': { target: SERVER, ws: true },
      '/rest-api': SERVER,
      '/snapshot': SERVER,
      '/whep': SERVER,
      '/whip': SERVER,
    },
  },
});
